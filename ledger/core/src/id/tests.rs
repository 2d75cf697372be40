use super::*;

const ID: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";

#[test]
fn names_have_one_spelling() {
    for text in [
        "operator",
        "hub/clerk",
        "hub/editor",
        "registrar/main",
        "auditor/ico",
        "tre/wessex/root",
        "tre/wessex/review",
        &format!("project/{ID}/member/{ID}"),
    ] {
        assert_eq!(text.parse::<Actor>().unwrap().to_string(), text);
    }
    for text in [
        "federation",
        "log",
        "tre/wessex",
        &format!("dataset/{ID}"),
        &format!("approval/wessex/member/{ID}"),
        &format!("job/{ID}"),
    ] {
        assert_eq!(text.parse::<Stream>().unwrap().to_string(), text);
    }
}

#[test]
fn other_spellings_are_refused() {
    for text in [
        "",
        "a",
        "Wessex",
        "-we",
        "we-",
        "we--st",
        "1we",
        "we_st",
        &"w".repeat(33),
    ] {
        assert!(text.parse::<Slug>().is_err(), "{text:?}");
    }
    let upper = ID.to_uppercase();
    let simple = ID.replace('-', "");
    let version_7 = "01890a5d-ac96-774b-bcce-b302099a8057";
    for text in [
        upper.as_str(),
        &simple,
        version_7,
        &format!("{{{ID}}}"),
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert!(random_id(text).is_err(), "{text:?}");
    }
    for text in [
        "operator/",
        "hub/other",
        "tre/wessex/boss",
        "tre/wessex",
        "project/x/member/y",
    ] {
        assert!(text.parse::<Actor>().is_err(), "{text:?}");
    }
    for text in [
        "federation/",
        "job",
        "job/x",
        "tre/wessex/relay",
        "approval/wessex/dataset/x",
    ] {
        assert!(text.parse::<Stream>().is_err(), "{text:?}");
    }
}

#[test]
fn errors_quote_a_short_part_of_a_long_name() {
    let long = "/".repeat(40_000);
    assert_eq!(long.parse::<Actor>(), Err(IdError::Actor("/".repeat(MAX_NAME))));
    assert_eq!(long.parse::<Stream>(), Err(IdError::Stream("/".repeat(MAX_NAME))));
    assert_eq!(random_id(&long), Err(IdError::Uuid("/".repeat(MAX_NAME))));
    let longest = format!("project/{ID}/member/{ID}");
    assert!(longest.len() < MAX_NAME && longest.parse::<Actor>().is_ok());
}

#[test]
fn a_stream_admits_only_its_kind_of_author() {
    let tre: Stream = "tre/wessex".parse().unwrap();
    let wessex: Actor = "tre/wessex/relay".parse().unwrap();
    let mercia: Actor = "tre/mercia/relay".parse().unwrap();
    assert!(tre.admits(&wessex.organisation()));
    assert!(!tre.admits(&mercia.organisation()));
    assert!(
        !tre.admits(&Organisation::Operator),
        "the operator never speaks for a TRE"
    );
    let job: Stream = format!("job/{ID}").parse().unwrap();
    assert!(job.admits(&mercia.organisation()));
    assert!(!job.admits(&Organisation::Hub));
}
