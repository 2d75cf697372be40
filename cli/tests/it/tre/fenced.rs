//! One whole job with hub, relay and runner on machines of their own, where nobody can call in.

use super::fence::{Fence, HUB, HUB_OUTSIDE, HUB_PORT, LINK, LINK_PORT, RELAY, RUNNER};
use super::place::{Place, kinds};
use crate::relay::federation::{Federation, Surroundings, WHOLE_LIFE};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_its_whole_way_though_nobody_can_open_a_connection_into_the_tre() {
    let fence = match Fence::build() {
        Ok(fence) => fence,
        Err(why) => {
            eprintln!(
                "{why}: hub, relay and runner run as plain processes here, and nothing is said of firewalls"
            );
            let mut place = Place::new().await;
            return live(&mut place).await;
        }
    };
    let federation = Federation::within(Surroundings {
        within: fence.within("hub"),
        listen: format!("0.0.0.0:{HUB_PORT}"),
        url: format!("http://{HUB_OUTSIDE}:{HUB_PORT}"),
        link: format!("{LINK}:{LINK_PORT}"),
    })
    .await;
    let door = federation.door.url();
    federation.configure(&door, &format!("http://{HUB}:{HUB_PORT}"));
    let mut place = Place::of(federation).await;
    place.within = [fence.within("relay"), fence.within("runner")];
    place.start();
    live(&mut place).await;

    // The ways that are open, and that no other is. Somebody listens in the controlled zone, and cannot be called.
    let _listens = listen(&fence);
    assert!(fence.reaches("relay", HUB, HUB_PORT));
    assert!(fence.reaches("runner", LINK, LINK_PORT));
    for (from, address, port) in [
        ("hub", RELAY, LINK_PORT),
        ("hub", LINK, LINK_PORT),
        ("relay", RUNNER, LINK_PORT),
        ("runner", HUB, HUB_PORT),
        ("runner", HUB_OUTSIDE, HUB_PORT),
        ("hub", RUNNER, LINK_PORT),
    ] {
        assert!(
            !fence.reaches(from, address, port),
            "{from} reaches {address}:{port}"
        );
    }
}

/// A program that listens where the runner is.
fn listen(fence: &Fence) -> impl Drop {
    struct Listens(std::process::Child);
    impl Drop for Listens {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
    let within = fence.within("runner");
    let script = format!(
        "import socket; s = socket.create_server(('{RUNNER}', {LINK_PORT})); print('listens', flush=True)\nwhile True: s.accept()"
    );
    let mut command = std::process::Command::new(&within[0]);
    command.args(&within[1..]).args(["python3", "-c", &script]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = [0; 7];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    assert!(fence.reaches("runner", RUNNER, LINK_PORT));
    Listens(child)
}

async fn live(place: &mut Place) {
    let job = place.submit_shipped().await;
    place.until_state(job, "assessed").await;
    place.both("approve", job, &[]);
    place.until_state(job, "released").await;
    assert_eq!(kinds(&place.events(job).await), WHOLE_LIFE);
    let bag = place.results(job).await;
    assert!(bag.payload.contains_key("outputs/counts.csv"));
}
