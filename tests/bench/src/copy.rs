//! A static copy of a log with many jobs: what `daybook audit` reads when its speed is measured.

use std::fs;
use std::path::Path;

use anyhow::Result;
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::NoteSigner;
use daybook_core::tree::{Resource, RightEdge, TilePath, encode_bundle, encode_tile};
use daybook_world::{BEGINNING, ORIGIN, bytes};

use crate::lives::{Lives, federation};

/// Lives that go on beside each other, as in a federation at work.
const AT_ONCE: usize = 500;

/// Writes the log of a federation with at least so many entries.
pub(crate) fn write(entries: u64, out: &Path) -> Result<()> {
    let world = federation(BEGINNING);
    let mut lives = Lives::new(&world, "copy");
    let mut copy = Copy {
        out,
        edge: RightEdge::new(),
        bundle: Vec::new(),
    };
    for event in world.entries() {
        copy.add(event.as_str())?;
    }
    let mut open: Vec<std::vec::IntoIter<_>> = Vec::new();
    while copy.edge.size() < entries || !open.is_empty() {
        while open.len() < AT_ONCE && copy.edge.size() < entries {
            open.push(lives.sign()?.into_iter());
        }
        let mut next = Vec::new();
        for mut life in open {
            if let Some(signed) = life.next() {
                copy.add(signed.event.as_str())?;
                next.push(life);
            }
        }
        open = next;
    }
    copy.finish()
}

struct Copy<'a> {
    out: &'a Path,
    edge: RightEdge,
    bundle: Vec<String>,
}

impl Copy<'_> {
    fn add(&mut self, entry: &str) -> Result<()> {
        self.bundle.push(entry.to_owned());
        for tile in self.edge.append(Hash::leaf(entry.as_bytes())) {
            self.put(&TilePath::new(Resource::Hashes(tile.id), 256)?, &tile.to_bytes())?;
            if tile.id.level == 0 {
                let bundle = encode_bundle(&std::mem::take(&mut self.bundle))?;
                self.put(&TilePath::new(Resource::Entries(tile.id.n), 256)?, &bundle)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        for (id, nodes) in self.edge.partial_tiles() {
            let width = u16::try_from(nodes.len())?;
            self.put(&TilePath::new(Resource::Hashes(id), width)?, &encode_tile(nodes))?;
        }
        if !self.bundle.is_empty() {
            let path = TilePath::new(
                Resource::Entries(self.edge.size() / 256),
                u16::try_from(self.bundle.len())?,
            )?;
            self.put(&path, &encode_bundle(&self.bundle)?)?;
        }
        let signer = NoteSigner::from_seed(ORIGIN.parse()?, &bytes("log key"))?;
        let note = Checkpoint::new(ORIGIN, self.edge.size(), self.edge.root())?.sign(&signer)?;
        fs::write(self.out.join("checkpoint"), note.to_string())?;
        #[expect(clippy::print_stdout, reason = "what the next command needs")]
        {
            println!("{}", signer.verifier());
        }
        Ok(())
    }

    fn put(&self, path: &TilePath, bytes: &[u8]) -> Result<()> {
        let path = self.out.join(path.to_string());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, bytes)?)
    }
}
