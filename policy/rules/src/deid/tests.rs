use super::*;

fn found(text: &str) -> Vec<(HitKind, &str)> {
    of(FieldUse::Prose, text)
}

fn of(field: FieldUse, text: &str) -> Vec<(HitKind, &str)> {
    let names = ["Ada Example".to_owned(), "Dr Eluned O'Brien".to_owned()];
    let hits = screen(field, text, &names);
    hits.into_iter().map(|hit| (hit.kind, &text[hit.span])).collect()
}

#[test]
fn numbers_of_patients_are_found_by_their_check_digit() {
    for number in ["943 476 5919", "9434765919", "943-476-5919"] {
        assert_eq!(
            found(&format!("Number {number}.")),
            [(HitKind::HealthNumber, number)]
        );
    }
    for other in [
        "943 476 5918",
        "9434765910",
        "1111111111",
        "MR/9434765919",
        "94347659190",
        "A9434765919",
        "£9434765918",
    ] {
        assert_eq!(found(other), [], "{other}");
    }
}

#[test]
fn insurance_numbers_are_found() {
    for number in ["AB 12 34 56 C", "AB123456C", "ab123456d"] {
        assert_eq!(
            found(&format!("({number})")),
            [(HitKind::InsuranceNumber, number)]
        );
    }
    for other in ["QQ123456C", "GB123456C", "AB123456E", "AB12345C", "XAB123456C"] {
        assert_eq!(found(other), [], "{other}");
    }
}

#[test]
fn dates_count_near_a_word_about_birth_only() {
    assert_eq!(
        found("She was born on 12 March 1954 in Bath"),
        [(HitKind::BirthDate, "12 March 1954")]
    );
    assert_eq!(found("DOB: 12/03/1954"), [(HitKind::BirthDate, "12/03/1954")]);
    assert_eq!(
        found("date of birth 1954-03-12"),
        [(HitKind::BirthDate, "1954-03-12")]
    );
    assert_eq!(
        found("Ganwyd ef 1 February 1950"),
        [(HitKind::BirthDate, "1 February 1950")]
    );
    for other in [
        "Data from 1 March 2015 to 31 March 2020",
        "records of births in 2015",
        "children born after 2010",
        "stubborn 12/03/1954",
    ] {
        assert_eq!(found(other), [], "{other}");
    }
}

#[test]
fn mailboxes_of_people_are_found_and_those_of_offices_are_not() {
    assert_eq!(
        found("Write to ada.example@wessex.ac.uk."),
        [(HitKind::Email, "ada.example@wessex.ac.uk")]
    );
    assert_eq!(found("Write to research-data@wessex.ac.uk."), []);
    assert_eq!(of(FieldUse::Contact, "ada.example@wessex.ac.uk"), []);
    assert_eq!(
        of(FieldUse::Contact, "team@gmail.com"),
        [(HitKind::Email, "team@gmail.com")]
    );
    assert_eq!(found("5 @ 10 and a@b"), []);
}

#[test]
fn telephones_are_found_in_prose_and_mobiles_everywhere() {
    for number in [
        "020 7946 0958",
        "(020) 7946 0958",
        "+44 20 7946 0958",
        "01632 960961",
        "07700 900123",
    ] {
        assert_eq!(
            found(&format!("Call {number} now")).first().map(|hit| hit.0),
            Some(HitKind::Telephone),
            "{number}"
        );
    }
    assert_eq!(of(FieldUse::Contact, "020 7946 0958"), []);
    assert_eq!(
        of(FieldUse::Contact, "07700 900123"),
        [(HitKind::Telephone, "07700 900123")]
    );
    for other in ["2015 to 2020", "10 000 000 people", "0.05", "version 1.2.3"] {
        assert_eq!(found(other), [], "{other}");
    }
}

#[test]
fn postcodes_are_found_in_prose_only() {
    assert_eq!(
        found("at SW1A 1AA and M11AE"),
        [(HitKind::Postcode, "SW1A 1AA"), (HitKind::Postcode, "M11AE")]
    );
    assert_eq!(of(FieldUse::Contact, "1 High Street, SW1A 1AA"), []);
    for other in ["SW1A", "ICD-10 E11", "SARS-CoV-2", "GPT4 5XX1", "COVID19"] {
        assert_eq!(found(other), [], "{other}");
    }
}

#[test]
fn researchers_are_found_by_identifier_and_by_name() {
    assert_eq!(
        found("0000-0002-1825-0097"),
        [(HitKind::Orcid, "0000-0002-1825-0097")]
    );
    assert_eq!(found("0000-0002-1825-0098"), []);
    assert_eq!(found("led by ada example"), [(HitKind::Name, "ada example")]);
    assert_eq!(found("Professor O'Brien's team"), [(HitKind::Name, "O'Brien")]);
    assert_eq!(
        found("an Example of care; for example"),
        [(HitKind::Name, "Example")]
    );
    assert_eq!(of(FieldUse::Named, "Ada Example"), []);
}

#[test]
fn no_text_makes_it_panic_and_hits_stand_between_characters() {
    for text in [
        "",
        "é@é.é",
        "@",
        "1é2",
        "ÀÀ 12/03/1954 Àborn",
        "\u{202e}9434765919\u{202c}",
    ] {
        for field in [
            FieldUse::Prose,
            FieldUse::Contact,
            FieldUse::Named,
            FieldUse::Code,
        ] {
            for hit in screen(field, text, &["é".to_owned(), "éé éééé".to_owned()]) {
                assert!(text.get(hit.span).is_some(), "{text}");
            }
        }
    }
}
