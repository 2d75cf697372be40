//! What is asked, of which groups, and how: the blocks of which a project's texts are made. `{people}` and `{name}` stand for
//! those of a condition.

/// A question.
#[derive(Debug)]
pub(crate) struct Question {
    /// How a title begins.
    pub(crate) title: &'static str,
    /// What comes after "We ask".
    pub(crate) asks: &'static str,
    /// Why anybody wants to know.
    pub(crate) why: &'static str,
    /// What can be done with an answer.
    pub(crate) benefit: &'static str,
    /// A word by which to find it.
    pub(crate) keyword: &'static str,
    /// Which kind of data it needs: a place in [`crate::country::KINDS`].
    pub(crate) kind: usize,
}

#[rustfmt::skip]
pub(crate) static QUESTIONS: [Question; 12] = [
    Question {
        title: "Waiting for a first hospital visit: {people}",
        asks: "how long {people} wait from the letter of their doctor to their first visit at the hospital",
        why: "A long wait is hard to bear, and what could be treated early can get worse.",
        benefit: "Hospitals can see where waiting lists are longest, and open clinics where they are needed most.",
        keyword: "waiting times", kind: 3,
    },
    Question {
        title: "Emergency stays in hospital: {people}",
        asks: "how often {people} are taken to hospital in an emergency",
        why: "An emergency is frightening, and many could be prevented by good care before.",
        benefit: "Care teams can see who is not getting the right help in time, and offer it before it becomes an emergency.",
        keyword: "emergency care", kind: 0,
    },
    Question {
        title: "Which medicines are given: {people}",
        asks: "which medicines {people} are given, and whether that follows the advice of experts",
        why: "There is often more than one medicine, and not everybody is offered the one that helps most.",
        benefit: "Doctors and pharmacists can see where advice is not followed, and talk about why.",
        keyword: "medicines", kind: 2,
    },
    Question {
        title: "Who is offered a yearly check: {people}",
        asks: "whether {people} are offered a check at their practice each year, and whether they come",
        why: "A yearly check finds small changes before they become large ones.",
        benefit: "Practices can invite those whom the usual letter does not reach.",
        keyword: "check-ups", kind: 1,
    },
    Question {
        title: "How early it is found: {name}",
        asks: "how much time passes between the first visit with a complaint and the day on which {name} is found",
        why: "The sooner people know what they have, the more can be done.",
        benefit: "Doctors learn which first signs are missed most often, and what to look for.",
        keyword: "diagnosis", kind: 1,
    },
    Question {
        title: "Low mood and worry: {people}",
        asks: "how many of the {people} are also treated for low mood or worry, and when that begins",
        why: "An illness of the body weighs on the mind, and few people speak of it.",
        benefit: "Clinics can offer someone to talk to at the time when it is needed most.",
        keyword: "mental health", kind: 1,
    },
    Question {
        title: "Back in hospital within a month: {people}",
        asks: "how often {people} have to return to hospital within a month of going home",
        why: "Who has to come back so soon may have been sent home too early, or without enough help there.",
        benefit: "Wards can plan the way home better, with help at the door for those who need it.",
        keyword: "return to hospital", kind: 0,
    },
    Question {
        title: "By video, by telephone or in person: {people}",
        asks: "how {people} see their doctor or nurse, and whether they have to come back sooner when it was not in person",
        why: "A call can save a long journey, but not everything can be seen on a screen.",
        benefit: "Practices can offer the kind of visit that works, and leave people the choice.",
        keyword: "remote care", kind: 1,
    },
    Question {
        title: "Side effects that bring people to hospital: {people}",
        asks: "how often {people} come to hospital because of what a medicine has done to them",
        why: "Every medicine can do harm, and small studies do not see what happens rarely.",
        benefit: "Prescribers can be warned of the combinations of medicines that do harm most often.",
        keyword: "side effects", kind: 2,
    },
    Question {
        title: "Infections during a stay in hospital: {people}",
        asks: "how often {people} catch an infection while they are in hospital",
        why: "A hospital is where people get well, and should not be where they catch something new.",
        benefit: "Hospitals can protect those who are most at risk, and see whether it works.",
        keyword: "infections", kind: 0,
    },
    Question {
        title: "Heat and cold: {people}",
        asks: "whether more {people} need help on very hot or very cold days",
        why: "Extreme weather is becoming more common, and it is hardest on those who are ill already.",
        benefit: "Warnings can reach the right people in time, with advice that fits them.",
        keyword: "weather", kind: 0,
    },
    Question {
        title: "Appointments that are missed: {people}",
        asks: "how often {people} miss an appointment, and what happens to them afterwards",
        why: "A missed visit is often a sign that something is in the way: a journey, a job, a worry.",
        benefit: "Clinics can change times, places and letters so that fewer people fall through.",
        keyword: "appointments", kind: 3,
    },
];

/// Groups that are compared.
#[derive(Debug)]
pub(crate) struct Lens {
    /// How a title ends.
    pub(crate) title: &'static str,
    /// What is compared.
    pub(crate) compares: &'static str,
    /// Who learns from it.
    pub(crate) benefit: &'static str,
}

#[rustfmt::skip]
pub(crate) static LENSES: [Lens; 9] = [
    Lens { title: "by age", compares: "We compare children, adults of working age and older people.", benefit: "Care can be fitted to each time of life." },
    Lens { title: "in richer and poorer areas", compares: "We compare areas where people have much money with areas where they have little.", benefit: "Help can go first to places that have been left behind." },
    Lens { title: "in towns and in the country", compares: "We compare large towns, small towns and villages.", benefit: "People who live far from a hospital can be served better." },
    Lens { title: "among women and men", compares: "We compare women and men.", benefit: "What is only known from studies of men can be put right for women, and the other way round." },
    Lens { title: "before and after the pandemic", compares: "We compare the years before the pandemic with those after it.", benefit: "What the pandemic has changed for the worse can be changed back." },
    Lens { title: "in different ethnic groups", compares: "We compare people of different ethnic groups.", benefit: "Unfair differences can be seen, and whoever is responsible can be asked about them." },
    Lens { title: "by season", compares: "We compare spring, summer, autumn and winter.", benefit: "Services can be ready in the months in which they are needed most." },
    Lens { title: "with and without other illnesses", compares: "We compare people who have one illness with people who have several.", benefit: "People with several illnesses can be looked at as a whole." },
    Lens { title: "at home and in care homes", compares: "We compare people who live at home with people who live in care homes.", benefit: "Care homes can be given the support that people at home have." },
];

/// How an answer is found.
#[derive(Debug)]
pub(crate) struct Method {
    /// What its workflow is called.
    pub(crate) workflow: &'static str,
    /// What is done, in a sentence.
    pub(crate) lay: &'static str,
}

#[rustfmt::skip]
pub(crate) static METHODS: [Method; 6] = [
    Method { workflow: "Counts by group and year", lay: "We count how many people of each group it happens to, year by year." },
    Method { workflow: "Time until an event", lay: "We look at how much time passes until it happens, in each group." },
    Method { workflow: "Rates, compared fairly", lay: "We work out how common it is in each group, and take into account that some groups are older than others." },
    Method { workflow: "A trend over months", lay: "We follow the numbers from month to month, and look for a turn." },
    Method { workflow: "What goes together", lay: "We look at which things go together, and which of them still matter when the others are taken into account." },
    Method { workflow: "A forecast, checked against later years", lay: "We make a forecast from earlier years, and check it against what happened in later ones." },
];

/// How people are protected.
#[rustfmt::skip]
pub(crate) static CARE: [&str; 5] = [
    "We do not look at single people. We only see numbers for whole groups, and small numbers are left out.",
    "Names and addresses are taken away before we can work with the records, and the records never leave the safe place in which they are kept.",
    "Nobody on our team can see a single person's record. What we take away are tables, which two people at the safe place have looked at.",
    "Our programs go to the data, and the data stay where they are. What comes back are numbers about large groups.",
    "The records have no names in them. Where a group is so small that somebody could be known by it, we are not told its number.",
];

/// Who uses what is found, and how it is told.
#[rustfmt::skip]
pub(crate) static TOLD: [&str; 5] = [
    "A group of patients has helped to choose the question, and will help to tell what we find.",
    "We will publish what we find where everybody can read it, also if it is not what we expected.",
    "What we find goes to the services that can act on it, and to the people whom it is about.",
    "We will write a page in plain words for patients and their families.",
    "What we find will be shared with charities that speak for patients.",
];
