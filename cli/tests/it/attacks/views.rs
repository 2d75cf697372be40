//! A hub that logs one thing and shows another.

use super::liar::Liar;
use super::scene::{Auditor, shared};

#[test]
fn a_list_of_jobs_that_lies_is_found() {
    let scene = shared();
    let liar = Liar::before(&scene);
    liar.twist(|asked, body| {
        if asked.path.starts_with("/v1/jobs") {
            body.replace("\"state\":\"refused\"", "\"state\":\"signed-off\"")
        } else {
            body
        }
    });
    let verdict = Auditor::new(&scene).audit(&liar.url, &[]);
    verdict.finds("view-differs");
    let words = verdict.report.to_string();
    assert!(words.contains(&format!("job {}", scene.refused)), "{words}");
    liar.repent();
    Auditor::new(&scene).audit(&liar.url, &[]).holds();
}

#[test]
fn a_job_that_is_shown_nowhere_is_found() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let (hidden, shown) = (scene.refused.to_string(), scene.job.to_string());
    liar.twist(move |asked, body| {
        if asked.path.starts_with("/v1/jobs") {
            // Each line of the list that is about the job that was refused is about another one.
            body.replace(&hidden, &shown)
        } else {
            body
        }
    });
    Auditor::new(&scene).audit(&liar.url, &[]).finds("view-differs");
}

#[test]
fn a_register_that_lies_is_found() {
    let scene = shared();
    let liar = Liar::before(&scene);
    liar.twist(|asked, body| {
        if asked.path.starts_with("/v1/register") {
            body.replace("\"state\":\"published\"", "\"state\":\"withdrawn\"")
        } else {
            body
        }
    });
    Auditor::new(&scene).audit(&liar.url, &[]).finds("view-differs");
}
