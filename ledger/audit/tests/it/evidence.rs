//! Packs: what is in them, that they hold, and that no part of one can be changed unnoticed.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use daybook_audit::Progress;
use daybook_audit::evidence::gather::{GatherError, gather};
use daybook_audit::evidence::{Evidence, Subject, Verdict};
use daybook_audit::source::Source;
use daybook_core::Hash;
use daybook_core::id::Stream;
use daybook_core::sealed::{Opening, ReaderClass};
use daybook_core::trust::TrustPolicy;
use daybook_world::{Draft, Ending, World};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::copies::{Copy, signer};

fn policy() -> TrustPolicy {
    TrustPolicy::of_log(signer().verifier().clone())
}

/// The clerk commits the heads as they are.
fn commit_heads(world: &mut World) {
    let (size, heads) = (world.entries().len() as u64, world.heads());
    let draft = world
        .usual("heads-committed")
        .with("size", size.into())
        .with("heads", heads.root().to_base64url().into())
        .with("streams", heads.streams().into());
    world.say(&draft);
}

/// A log with a released job, others beside it, and committed heads.
fn busy() -> (World, Uuid) {
    let mut world = World::founded();
    world.run_job("mercia", Ending::Withheld);
    let job = world.run_job("wessex", Ending::Released);
    world.run_job("wessex", Ending::Refused);
    commit_heads(&mut world);
    (world, job)
}

async fn try_gather(world: &World, subject: Subject) -> Result<Evidence, GatherError> {
    let copy = Copy::of(world.entries());
    let source = Source::new(copy.log().to_str().unwrap()).unwrap();
    let progress = watch::Sender::new(Progress::default());
    gather(&source, &policy(), None, subject, &progress).await
}

/// A pack with all the openings that may leave a TRE.
async fn pack(world: &World, subject: Subject) -> Evidence {
    let mut evidence = try_gather(world, subject).await.unwrap();
    let travels = |index: u64| {
        let event = &world.entries()[usize::try_from(index).unwrap()];
        let rule = world.table().rule(&event.claims().kind).unwrap();
        let openings = world.openings(event).into_iter();
        let openings = openings.filter(|opening| {
            let field = rule.sealed.get(opening.name());
            field.is_some_and(|field| field.class != ReaderClass::IssuerOnly)
        });
        (index, openings.collect::<Vec<_>>())
    };
    let openings: Vec<_> = evidence.entries.keys().copied().map(travels).collect();
    evidence.show(openings);
    evidence
}

fn verify(zip: &[u8]) -> Result<Verdict, String> {
    let (evidence, others) = Evidence::from_zip(zip).map_err(|error| error.to_string())?;
    Ok(evidence.verify(&others, &policy()))
}

fn words(verdict: &Verdict) -> String {
    let lines = verdict.lines.iter();
    let lines: Vec<String> = lines
        .map(|line| format!("{:?} {}", line.holds, line.words))
        .collect();
    lines.join("\n")
}

fn files(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    (0..archive.len())
        .map(|at| {
            let mut file = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn zip(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_pack_holds_shows_that_nothing_is_left_out_and_is_the_same_each_time() {
    let (world, job) = busy();
    let evidence = pack(&world, Subject::Job(job)).await;
    let bytes = evidence.to_zip().unwrap();
    assert_eq!(bytes, pack(&world, Subject::Job(job)).await.to_zip().unwrap());
    let verdict = verify(&bytes).unwrap();
    assert!(verdict.holds(), "{}", words(&verdict));
    let said = words(&verdict);
    for part in [
        "entries stand in its tree",
        "nothing is left out of",
        "openings are those",
        "further files",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let files = files(&bytes);
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("job-released") && page.contains(&job.to_string()));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://log"));
    let packets: Value = serde_json::from_slice(&files["packets.json"]).unwrap();
    assert!(packets[0]["sha256"].is_string(), "{packets}");
    let table = files.keys().find(|name| name.starts_with("rules/")).unwrap();
    let hash = Hash::of(&files[table]).to_base64url();
    assert_eq!(table, &format!("rules/{hash}.json"));
    // Only what belongs to it: the other jobs have streams of their own.
    let streams: Vec<Stream> = evidence
        .entries
        .values()
        .map(|entry| entry.event.claims().sub.clone())
        .filter(|stream| matches!(stream, Stream::Job(_)))
        .collect();
    assert!(streams.iter().all(|stream| *stream == Stream::Job(job)));
}

#[tokio::test]
async fn a_pack_of_each_kind_of_life_and_subject_holds() {
    for ending in Ending::ALL {
        let mut world = World::founded();
        let job = world.run_job("wessex", ending);
        let submission = world.job_state(job)["submission"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        commit_heads(&mut world);
        let project = world.cast.project;
        for subject in [
            Subject::Job(job),
            Subject::Submission(submission),
            Subject::Project(project),
        ] {
            let verdict = verify(&pack(&world, subject).await.to_zip().unwrap()).unwrap();
            assert!(verdict.holds(), "{ending:?} {subject}: {}", words(&verdict));
        }
    }
}

#[tokio::test]
async fn a_job_that_nobody_took_up_is_shown_to_have_no_event() {
    let mut world = World::founded();
    let job = world.submit(&["wessex", "mercia"])[1];
    commit_heads(&mut world);
    let evidence = pack(&world, Subject::Job(job)).await;
    let place = &evidence.committed.as_ref().unwrap().places[&format!("job/{job}")];
    assert!(matches!(place, daybook_audit::evidence::Place::Absent(_)));
    assert!(verify(&evidence.to_zip().unwrap()).unwrap().holds());
    let nobody = daybook_world::id("nobody");
    let none = try_gather(&world, Subject::Job(nobody)).await;
    assert!(matches!(none, Err(GatherError::Nothing(_))), "{none:?}");
}

#[tokio::test]
async fn without_committed_heads_and_after_them_the_pack_says_what_it_does_not_show() {
    let mut world = World::founded();
    let job = world.run_job("wessex", Ending::Recalled);
    let verdict = verify(&pack(&world, Subject::Job(job)).await.to_zip().unwrap()).unwrap();
    assert!(
        verdict.holds() && words(&verdict).contains("no heads of streams yet"),
        "{}",
        words(&verdict)
    );
    commit_heads(&mut world);
    let later = world.run_job("wessex", Ending::Released);
    let verdict = verify(&pack(&world, Subject::Job(later)).await.to_zip().unwrap()).unwrap();
    let said = words(&verdict);
    assert!(
        verdict.holds() && said.contains(&format!("after that: events of job/{later}")),
        "{said}"
    );
}

#[tokio::test]
async fn every_file_of_a_pack_that_is_changed_or_missing_is_noticed() {
    let (world, job) = busy();
    let bytes = pack(&world, Subject::Job(job)).await.to_zip().unwrap();
    let whole = files(&bytes);
    assert!(verify(&zip(&whole)).unwrap().holds());
    for (name, content) in &whole {
        for at in [0, content.len() / 2, content.len() - 2] {
            let mut changed = whole.clone();
            changed.get_mut(name).unwrap()[at] ^= 1;
            let is_noticed = verify(&zip(&changed)).map_or(true, |verdict| !verdict.holds());
            assert!(is_noticed, "{name} at byte {at}");
        }
        let mut without = whole.clone();
        without.remove(name);
        let verdict = verify(&zip(&without));
        let may_go = name.starts_with("openings/");
        let is_noticed = verdict.as_ref().map_or(true, |verdict| !verdict.holds());
        // A pack with fewer openings is another pack, and its page is too.
        assert!(is_noticed || may_go, "{name}");
    }
    let mut more = whole.clone();
    for name in ["entries/7.txt", "notes.html", "entries/07.jws"] {
        more.insert(name.to_owned(), b"x".to_vec());
        assert!(
            verify(&zip(&more)).map_or(true, |verdict| !verdict.holds()),
            "{name}"
        );
        more.remove(name);
    }
}

#[tokio::test]
async fn an_event_or_a_stream_that_is_left_out_is_noticed() {
    let (world, job) = busy();
    let whole = pack(&world, Subject::Job(job)).await;
    let last = |stream: &Stream| {
        let of = whole
            .entries
            .iter()
            .filter(|(_, entry)| entry.event.claims().sub == *stream);
        *of.map(|(index, _)| index).next_back().unwrap()
    };
    let streams: std::collections::BTreeSet<Stream> = whole
        .entries
        .values()
        .map(|entry| entry.event.claims().sub.clone())
        .collect();
    for stream in streams.iter().filter(|stream| **stream != Stream::Log) {
        let mut cut = whole.clone();
        cut.entries.remove(&last(stream));
        let verdict = verify(&cut.to_zip().unwrap()).unwrap();
        assert!(
            !verdict.holds(),
            "the last event of {stream}: {}",
            words(&verdict)
        );
        let mut gone = whole.clone();
        gone.entries
            .retain(|_, entry| entry.event.claims().sub != *stream);
        let verdict = verify(&gone.to_zip().unwrap()).unwrap();
        assert!(!verdict.holds(), "all of {stream}: {}", words(&verdict));
    }
    // Whoever leaves the place out as well gets no further.
    let mut gone = whole.clone();
    let approval = streams
        .iter()
        .find(|stream| matches!(stream, Stream::Approval(..)))
        .unwrap();
    gone.entries
        .retain(|_, entry| entry.event.claims().sub != *approval);
    gone.committed
        .as_mut()
        .unwrap()
        .places
        .remove(&approval.to_string());
    assert!(!verify(&gone.to_zip().unwrap()).unwrap().holds());
}

#[tokio::test]
async fn openings_of_others_and_erased_ones_are_not_shown_and_noticed_where_they_are() {
    let (mut world, job) = busy();
    let before = pack(&world, Subject::Job(job)).await;
    let is_of_job =
        |entry: &daybook_audit::evidence::Entry| matches!(entry.event.claims().sub, Stream::Job(_));
    let mut of_job = before.entries.iter().filter(|(_, entry)| is_of_job(entry));
    let (index, entry) = of_job.find(|(_, entry)| !entry.openings.is_empty()).unwrap();
    let digest = entry.openings[0].digest().to_base64url();
    let fields = json!([{ "digests": [digest], "event": entry.event.leaf().to_base64url() }]);
    let stream = Stream::Erasure(daybook_world::id("an erasure"));
    let operator = world.cast.operator.clone();
    let data = json!({ "fields": fields, "reason": "request" });
    world.say(&Draft::new(&operator, &stream, "fields-erased", data));
    commit_heads(&mut world);
    let mut after = pack(&world, Subject::Job(job)).await;
    assert!(
        after.entries[index]
            .openings
            .iter()
            .all(|opening| opening.digest() != entry.openings[0].digest())
    );
    let verdict = verify(&after.to_zip().unwrap()).unwrap();
    assert!(
        verdict.holds() && words(&verdict).contains("was erased by the entry"),
        "{}",
        words(&verdict)
    );
    // Whoever still has it and puts it back is told.
    after.entries.get_mut(index).unwrap().openings = entry.openings.clone();
    let verdict = verify(&after.to_zip().unwrap()).unwrap();
    assert!(
        !verdict.holds() && words(&verdict).contains("although"),
        "{}",
        words(&verdict)
    );

    let mut other = before.clone();
    let foreign = Opening::new([7; 16], "warnings", json!(["<script>alert(1)</script>"])).unwrap();
    other.show([(*index, vec![foreign.clone()])]);
    assert_eq!(other, before);
    other.entries.get_mut(index).unwrap().openings = vec![foreign];
    let bytes = other.to_zip().unwrap();
    assert!(!verify(&bytes).unwrap().holds());
    let page = String::from_utf8(files(&bytes)["index.html"].clone()).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script"));
}

#[tokio::test]
async fn a_pack_of_another_log_or_a_compressed_zip_is_not_believed() {
    let (world, job) = busy();
    let evidence = pack(&world, Subject::Job(job)).await;
    let thief =
        daybook_core::note::NoteSigner::from_seed(daybook_world::ORIGIN.parse().unwrap(), &[9; 32]).unwrap();
    let policy = TrustPolicy::of_log(thief.verifier().clone());
    let (read, others) = Evidence::from_zip(&evidence.to_zip().unwrap()).unwrap();
    assert_eq!(read, evidence);
    let verdict = read.verify(&others, &policy);
    assert!(
        !verdict.holds() && verdict.lines.len() == 1,
        "{}",
        words(&verdict)
    );

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("pack.json", options).unwrap();
    zip.write_all(&vec![b' '; 100_000]).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(Evidence::from_zip(&bytes).is_err());
    assert!(Evidence::from_zip(b"no zip").is_err());
}

/// A pack that was made today must be what it is in ten years: where this changes, the version of packs must too.
#[tokio::test]
async fn the_form_of_a_pack_has_not_changed() {
    let (world, job) = busy();
    let bytes = pack(&world, Subject::Job(job)).await;
    let files = files(&bytes.to_zip().unwrap());
    let mut all = Vec::new();
    for (name, content) in files.iter().filter(|(name, _)| !name.starts_with("rules/")) {
        all.extend(name.as_bytes());
        all.extend(Hash::of(content).0);
    }
    assert_eq!(
        Hash::of(&all).to_base64url(),
        "bOKe0uqjCdV7CnNY-cfKlg2rj6AUbbImvsktHT7SimE"
    );
}
