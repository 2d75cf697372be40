//! What people live with.

/// An illness in a patient's words.
#[derive(Debug)]
pub struct Condition {
    /// What it is called within a sentence.
    pub name: &'static str,
    /// Those who have it.
    pub people: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
}

const fn of(name: &'static str, people: &'static str, about: &'static str) -> Condition {
    Condition { name, people, about }
}

/// All of them. Common illnesses, told without numbers: a fictional register states nothing about real ones.
#[rustfmt::skip]
pub static CONDITIONS: [Condition; 64] = [
    of("asthma", "people with asthma", "Asthma makes the airways narrow, so that breathing becomes hard."),
    of("type 2 diabetes", "people with type 2 diabetes", "In type 2 diabetes the body no longer keeps the sugar in the blood steady."),
    of("eczema", "people with eczema", "Eczema makes the skin dry, sore and itchy."),
    of("heart failure", "people with heart failure", "In heart failure the heart no longer pumps as strongly as the body needs."),
    of("dementia", "people with dementia", "Dementia slowly takes memory, and makes everyday things hard to do alone."),
    of("epilepsy", "people with epilepsy", "People who have epilepsy have seizures, which come without warning."),
    of("depression", "people with depression", "Depression is a low mood that stays for weeks and takes the joy out of life."),
    of("stroke", "people who have had a stroke", "A stroke cuts off the blood to a part of the brain."),
    of("migraine", "people with migraine", "A migraine is a strong headache that often comes with sickness and can last for days."),
    of("breast cancer", "people with breast cancer", "Breast cancer begins as a lump, and is treated best when it is found early."),
    of("osteoporosis", "people with osteoporosis", "Osteoporosis makes bones thin, so that they break more easily."),
    of("kidney disease", "people with kidney disease", "In kidney disease the kidneys slowly stop cleaning the blood."),
    of("psoriasis", "people with psoriasis", "Psoriasis makes skin grow too fast, in patches that are red and flaky."),
    of("rheumatoid arthritis", "people with rheumatoid arthritis", "In rheumatoid arthritis the body attacks its own joints, which swell and hurt."),
    of("anxiety", "people with anxiety", "Anxiety is worry that does not go away and gets in the way of daily life."),
    of("glaucoma", "people with glaucoma", "Glaucoma harms the nerve of the eye, often before anybody notices."),
    of("sepsis", "people who have had sepsis", "In sepsis the body answers an infection by harming itself."),
    of("lung cancer", "people with lung cancer", "Lung cancer is often found late, because a cough seems harmless."),
    of("high blood pressure", "people with high blood pressure", "High blood pressure is not felt, and strains the heart and the brain for years."),
    of("bowel cancer", "people with bowel cancer", "Bowel cancer grows slowly, and a simple test can find it early."),
    of("endometriosis", "people with endometriosis", "In endometriosis tissue like the lining of the womb grows elsewhere, which hurts."),
    of("chronic bronchitis", "people with chronic bronchitis", "Chronic bronchitis is a cough that stays, and makes stairs a long way."),
    of("Crohn's disease", "people with Crohn's disease", "Crohn's disease makes parts of the gut sore and swollen."),
    of("hip fracture", "people who have broken a hip", "A broken hip is common after a fall, and getting back on one's feet takes long."),
    of("schizophrenia", "people with schizophrenia", "Schizophrenia changes how people see and hear the world around them."),
    of("multiple sclerosis", "people with multiple sclerosis", "In multiple sclerosis the nerves lose their cover, and signals get lost."),
    of("gout", "people with gout", "Gout is a sudden, strong pain in a joint, often in a toe."),
    of("an underactive thyroid", "people with an underactive thyroid", "With an underactive thyroid the body slows down, and people are cold and tired."),
    of("Parkinson's disease", "people with Parkinson's disease", "Parkinson's disease makes movements slow and hands shake."),
    of("iron deficiency", "people with iron deficiency", "Without enough iron the blood carries too little oxygen, and people are tired."),
    of("coeliac disease", "people with coeliac disease", "In coeliac disease bread and pasta harm the gut."),
    of("prostate cancer", "people with prostate cancer", "Prostate cancer is common in older men, and often needs no treatment for years."),
    of("an irregular heartbeat", "people with an irregular heartbeat", "When the heart beats irregularly, blood can clot in it."),
    of("back pain", "people with back pain", "Back pain keeps more people from what they like to do than most illnesses."),
    of("cystic fibrosis", "people with cystic fibrosis", "Cystic fibrosis fills the lungs with thick mucus."),
    of("hearing loss", "people with hearing loss", "Hearing loss comes slowly, and can make people lonely."),
    of("cataract", "people with cataract", "A cataract clouds the lens of the eye; an operation makes it clear again."),
    of("sickle cell disease", "people with sickle cell disease", "In sickle cell disease red blood cells get stuck, which causes sudden pain."),
    of("bipolar disorder", "people with bipolar disorder", "In bipolar disorder moods swing much further than usual."),
    of("pneumonia", "people who have had pneumonia", "Pneumonia is an infection deep in the lungs."),
    of("angina", "people with angina", "Angina is a tightness in the chest when the heart gets too little blood."),
    of("leg ulcers", "people with leg ulcers", "A leg ulcer is a wound that takes months to close."),
    of("autism", "people with autism", "Autistic people take in the world in another way than most."),
    of("food allergy", "people with a food allergy", "With a food allergy a small bite of the wrong thing can be dangerous."),
    of("tinnitus", "people with tinnitus", "Tinnitus is a ringing that only the person can hear."),
    of("chronic fatigue", "people with chronic fatigue", "In chronic fatigue rest does not take the tiredness away."),
    of("hepatitis C", "people with hepatitis C", "Hepatitis C harms the liver for years without being felt, and can be cured."),
    of("lupus", "people with lupus", "In lupus the body attacks its own skin, joints and organs."),
    of("sleep apnoea", "people with sleep apnoea", "In sleep apnoea breathing stops again and again during the night."),
    of("motor neurone disease", "people with motor neurone disease", "In motor neurone disease muscles weaken, one after the other."),
    of("skin cancer", "people with skin cancer", "Most skin cancers are cured by a small operation when they are found early."),
    of("peripheral artery disease", "people with peripheral artery disease", "In peripheral artery disease too little blood reaches the legs."),
    of("shingles", "people who have had shingles", "Shingles is a painful rash that can leave nerve pain behind."),
    of("polycystic ovaries", "people with polycystic ovaries", "Polycystic ovaries make periods irregular, and can make it harder to have a child."),
    of("bronchiectasis", "people with bronchiectasis", "In bronchiectasis the airways stay too wide, and infections come back."),
    of("fibromyalgia", "people with fibromyalgia", "Fibromyalgia hurts all over the body, and nobody can see it."),
    of("ulcerative colitis", "people with ulcerative colitis", "Ulcerative colitis makes the large bowel sore, in flares that come and go."),
    of("leukaemia", "people with leukaemia", "In leukaemia the body makes blood cells that do not work."),
    of("macular degeneration", "people with macular degeneration", "Macular degeneration takes the middle of what the eye sees."),
    of("eating disorders", "people with an eating disorder", "In an eating disorder food and weight take over a person's life."),
    of("gallstones", "people with gallstones", "Gallstones can cause sudden pain after a meal."),
    of("varicose veins", "people with varicose veins", "Varicose veins are swollen veins that make legs heavy and sore."),
    of("insomnia", "people with insomnia", "In insomnia people lie awake, night after night."),
    of("osteoarthritis", "people with osteoarthritis", "In osteoarthritis joints wear, and every step can hurt."),
];
