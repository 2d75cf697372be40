//! Whole lives of jobs.

use daybook_world::{Ending, World};
use rstest::rstest;

#[rstest]
#[case(Ending::Released, "released")]
#[case(Ending::ReleasedInPart, "released")]
#[case(Ending::Recalled, "recalled")]
#[case(Ending::Withheld, "withheld")]
#[case(Ending::Refused, "refused")]
#[case(Ending::Cancelled, "cancelled")]
#[case(Ending::Abandoned, "abandoned")]
#[case(Ending::Reopened, "collected")]
fn a_job_runs_its_course(#[case] ending: Ending, #[case] state: &str) {
    let mut world = World::founded();
    let job = world.run_job("wessex", ending);
    assert_eq!(world.job_state(job)["state"], state);
}
