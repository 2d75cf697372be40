//! Reading a policy file.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{Group, Member, TrustPolicy, TrustedLog, TrustedWitness};
use crate::note::KeyError;
use crate::tree::decimal;

/// The longest policy that is read: 256 KiB.
pub const MAX_POLICY_LEN: usize = 256 * 1024;
/// Logs, witnesses and groups that are read at most, of each; C2SP asks for at least 32.
const MAX_OF_EACH: usize = 256;

/// A file is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the policy")]
pub struct PolicyError {
    /// The line, from 1; after the last where something is missing.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub problem: PolicyProblem,
}

/// What may be wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyProblem {
    /// Longer than anybody's.
    #[error("a policy has at most {MAX_POLICY_LEN} bytes")]
    TooLong,
    /// Too many of one kind.
    #[error("a policy has at most {MAX_OF_EACH} logs, witnesses and groups, of each")]
    TooMany,
    /// Control characters.
    #[error("a policy has no control characters but tabs and line feeds")]
    Characters,
    /// A line of another kind.
    #[error(
        "a line is `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K MEMBER…` or `quorum NAME`"
    )]
    Shape,
    /// A key that cannot be used.
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    /// The same key again, under whichever name.
    #[error("that public key stands in the policy already")]
    KeyAgain,
    /// The same name again, or `none`.
    #[error(
        "the name {0:?} is taken: witnesses and groups share one set of names, and `none` is not one of them"
    )]
    NameTaken(String),
    /// A name that no line before defines.
    #[error("no line before this one defines {0:?}")]
    Unknown(String),
    /// A name that is a member already.
    #[error("{0:?} is a member of a group already; each is a member of one group at most")]
    MemberAgain(String),
    /// A threshold that no members can meet, or none needs to.
    #[error("a group is met by `all`, `any`, or a number from 1 to that of its members")]
    Threshold,
    /// Not exactly one quorum.
    #[error("a policy has exactly one quorum line")]
    Quorum,
}

impl TrustPolicy {
    /// Reads a policy file (C2SP tlog-policy). Names and addresses are bytes that mean nothing here.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut reading = Reading::default();
        let at = |line| move |problem| PolicyError { line, problem };
        if bytes.len() > MAX_POLICY_LEN {
            return Err(at(1)(PolicyProblem::TooLong));
        }
        let mut count = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            count += 1;
            reading.line(line).map_err(at(count))?;
        }
        if !reading.has_quorum {
            return Err(at(count)(PolicyProblem::Quorum));
        }
        Ok(reading.policy)
    }
}

#[derive(Default)]
struct Reading<'a> {
    policy: TrustPolicy,
    names: BTreeMap<&'a [u8], Member>,
    members: BTreeSet<&'a [u8]>,
    has_quorum: bool,
}

impl<'a> Reading<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), PolicyProblem> {
        if line
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
        {
            return Err(PolicyProblem::Characters);
        }
        let mut words = line
            .split(|byte| b" \t".contains(byte))
            .filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with(b"#")) else {
            return Ok(());
        };
        let words: Vec<&[u8]> = words.collect();
        match (first, words.as_slice()) {
            (b"log", [key, url @ ..]) if url.len() < 2 => self.log(key, url.first().copied()),
            (b"witness", [name, key, url @ ..]) if url.len() < 2 => {
                self.witness(name, key, url.first().copied())
            }
            (b"group", [name, threshold, members @ ..]) => self.group(name, threshold, members),
            (b"quorum", [name]) => self.quorum(name),
            _ => Err(PolicyProblem::Shape),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), PolicyProblem> {
        let key = text(key)?.parse()?;
        let logs = &mut self.policy.logs;
        room(logs)?;
        let log = TrustedLog {
            key,
            url: url.map(<[u8]>::to_vec),
        };
        if logs
            .iter()
            .any(|one| one.key.public_key() == log.key.public_key())
        {
            return Err(PolicyProblem::KeyAgain);
        }
        logs.push(log);
        Ok(())
    }

    fn witness(&mut self, name: &'a [u8], key: &[u8], url: Option<&[u8]>) -> Result<(), PolicyProblem> {
        let witness = TrustedWitness {
            name: name.to_vec(),
            key: text(key)?.parse()?,
            url: url.map(<[u8]>::to_vec),
        };
        let witnesses = &mut self.policy.witnesses;
        room(witnesses)?;
        if witnesses
            .iter()
            .any(|one| one.key.public_key() == witness.key.public_key())
        {
            return Err(PolicyProblem::KeyAgain);
        }
        let member = Member::Witness(witnesses.len());
        witnesses.push(witness);
        self.define(name, member)
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], members: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        room(&self.policy.groups)?;
        let mut found = Vec::new();
        for member in members {
            found.push(self.named(member)?);
            if !self.members.insert(member) {
                return Err(PolicyProblem::MemberAgain(lossy(member)));
            }
        }
        let threshold = match threshold {
            b"all" => found.len(),
            b"any" => 1,
            number => {
                let number = str::from_utf8(number).ok().and_then(decimal);
                let number = number.and_then(|number| usize::try_from(number).ok());
                number.ok_or(PolicyProblem::Threshold)?
            }
        };
        if !(1..=found.len()).contains(&threshold) {
            return Err(PolicyProblem::Threshold);
        }
        let member = Member::Group(self.policy.groups.len());
        self.policy.groups.push(Group {
            name: name.to_vec(),
            threshold,
            members: found,
        });
        self.define(name, member)
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), PolicyProblem> {
        if self.has_quorum {
            return Err(PolicyProblem::Quorum);
        }
        self.has_quorum = true;
        if name != b"none" {
            self.policy.quorum = Some(self.named(name)?);
        }
        Ok(())
    }

    fn named(&self, name: &[u8]) -> Result<Member, PolicyProblem> {
        let member = self.names.get(name).copied();
        member.ok_or_else(|| PolicyProblem::Unknown(lossy(name)))
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), PolicyProblem> {
        if name == b"none" || self.names.insert(name, member).is_some() {
            return Err(PolicyProblem::NameTaken(lossy(name)));
        }
        Ok(())
    }
}

fn room<T>(list: &[T]) -> Result<(), PolicyProblem> {
    if list.len() < MAX_OF_EACH {
        Ok(())
    } else {
        Err(PolicyProblem::TooMany)
    }
}

fn text(bytes: &[u8]) -> Result<&str, PolicyProblem> {
    str::from_utf8(bytes).map_err(|_| PolicyProblem::Key(KeyError::Shape))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
