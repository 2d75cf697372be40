use serde_json::json;

use super::*;
use crate::Table;

fn job(members: Value) -> State {
    let Value::Object(mut job) = members else {
        unreachable!()
    };
    job.insert("tre".into(), "wessex".into());
    job
}

#[test]
fn every_state_of_a_job_has_a_word_a_sentence_and_a_turn() {
    for state in Table::v1().states("job") {
        let public = of(&job(json!({ "state": state })));
        assert!(
            !public.sentence.is_empty() && !public.sentence.contains('{'),
            "{state}: {}",
            public.sentence
        );
        assert_ne!(public.word, *state, "{state} has no word");
        let is_over = Table::v1().is_end("job", state) && !["released", "recalled"].contains(&state.as_str());
        assert_eq!(public.turn == Turn::Nobody, is_over, "{state}");
    }
}

#[test]
fn the_public_sees_few_words() {
    let words: BTreeSet<&str> = all(Tongue::English).map(|(_, word, ..)| word).collect();
    assert_eq!(words.len(), 14);
}

#[test]
fn a_part_and_a_whole_are_told_apart_and_who_looked_is_said() {
    let released = |extent: &str, tags: Value| {
        of(&job(
            json!({ "extent": extent, "state": "released", "tags": tags }),
        ))
    };
    let all = released("all", json!(["a", "b"]));
    assert_eq!((all.word.as_str(), all.turn), ("Results sent", Turn::Team));
    assert!(all.sentence.ends_with("Checked by two people."));
    let part = released("part", json!([]));
    assert_eq!(part.word, "Some results sent");
    assert!(
        part.sentence
            .ends_with("Checked by fixed rules; no person looked.")
    );
    assert!(
        released("all", json!(["a", "a"]))
            .sentence
            .ends_with("Checked by one person.")
    );
    let collected = of(&job(
        json!({ "received": "x", "state": "released", "tags": ["a", "b"] }),
    ));
    assert_eq!(collected.turn, Turn::Nobody);
}

#[test]
fn whose_turn_it_is_follows_questions_and_answers() {
    let asked = of(&job(json!({ "state": "changes-requested" })));
    assert_eq!(
        (asked.word.as_str(), asked.turn),
        ("Waiting for the research team", Turn::Team)
    );
    let answered = of(&job(json!({ "answered": "x", "state": "changes-requested" })));
    assert_eq!(
        (answered.word.as_str(), answered.turn),
        ("Results being checked", Turn::Tre)
    );
    let stopping = of(&job(json!({ "cancellation": "x", "state": "running" })));
    assert!(
        stopping
            .sentence
            .ends_with("wessex has not confirmed that it has stopped.")
    );
    let stopped = of(&job(
        json!({ "began": true, "cancellation": "x", "state": "cancelled" }),
    ));
    assert!(stopped.sentence.contains("after it had started"));
    assert!(!stopped.sentence.contains("confirmed"));
}

#[test]
fn a_name_can_stand_for_the_id() {
    let public = of_named(&job(json!({ "state": "running" })), "The Wessex Data Haven");
    assert_eq!(
        public.sentence,
        "The analysis is running inside The Wessex Data Haven. The data stay there."
    );
    assert_eq!(of(&State::new()).turn, Turn::Nobody);
}

#[test]
fn welsh_tells_the_same_states_apart_and_says_whose_turn_it_is_alike() {
    let (english, welsh): (Vec<_>, Vec<_>) = (all(Tongue::English).collect(), all(Tongue::Welsh).collect());
    assert_eq!(english.len(), welsh.len());
    let mut words = BTreeMap::new();
    for ((state, word, sentence, turn), (same, gair, brawddeg, tro)) in english.into_iter().zip(welsh) {
        assert_eq!((state, turn), (same, tro));
        assert_eq!(sentence.contains("{tre}"), brawddeg.contains("{tre}"), "{state}");
        assert_eq!(*words.entry(word).or_insert(gair), gair, "{state}");
    }
    let names = |tongue: Tongue| tongue.catalogue().unwrap().extra.keys().collect::<Vec<_>>();
    assert_eq!(names(Tongue::English), names(Tongue::Welsh));
}
