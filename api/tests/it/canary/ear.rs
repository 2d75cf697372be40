//! How canaries look, and who listens for them in the log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use daybook_core::{Hash, base64url};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// How every canary begins. The rest names one field of one event.
pub(super) const CRY: &str = "zz-canary-";

/// The text of one canary, of 26 characters, for a field of the event at an index.
pub(super) fn canary(index: usize, field: &str) -> String {
    let name = Hash::of(format!("{index} {field}").as_bytes()).to_base64url();
    format!("{CRY}{}", &name[..16])
}

/// How a text may look in bytes: as it is, and in base64url at each of three offsets.
pub(super) fn looks(text: &str) -> Vec<String> {
    let mut looks = vec![text.to_owned()];
    for offset in 0..3 {
        let shifted = [vec![b' '; offset], text.as_bytes().to_vec()].concat();
        let encoded = base64url::encode(&shifted);
        // What touches the neighbours' bits is cut off.
        let from = [0, 2, 3][offset];
        let to = encoded.len() - usize::from(!shifted.len().is_multiple_of(3));
        looks.push(encoded[from..to].to_owned());
    }
    looks
}

/// Lines of the log of the whole process in which a canary cries.
#[derive(Clone, Default)]
pub(super) struct Ear(pub(super) Arc<Mutex<Heard>>);

#[derive(Default)]
pub(super) struct Heard {
    pub(super) lines: usize,
    pub(super) cries: Vec<String>,
}

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        static CRIES: OnceLock<Vec<String>> = OnceLock::new();
        let text = String::from_utf8_lossy(bytes);
        let mut heard = self.0.lock().unwrap();
        heard.lines += 1;
        if CRIES
            .get_or_init(|| looks(CRY))
            .iter()
            .any(|cry| text.contains(cry))
        {
            heard.cries.push(text.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ear {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Listens to the whole process from now on, at every level.
pub(super) fn listen() -> Ear {
    let ear = Ear::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(ear.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    // What other tests have logged before was decided to interest nobody.
    tracing::callsite::rebuild_interest_cache();
    ear
}

#[test]
fn a_canary_is_known_in_every_disguise() {
    let text = canary(7, "title");
    for before in ["", "x", "xy", "xyz"] {
        let hidden = base64url::encode(format!("{before}{text}, and more").as_bytes());
        assert!(looks(&text).iter().any(|look| hidden.contains(look)), "{before}");
        assert!(looks(CRY).iter().any(|look| hidden.contains(look)), "{before}");
    }
}
