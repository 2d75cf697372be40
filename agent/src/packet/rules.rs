//! Every rule that a packet is held against, as a table; `docs/PACKETS.md` is made from it.

use std::fmt;

/// What happens to a packet that does not keep a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is refused.
    Must,
    /// It is taken with a warning: published crates of the profile do so too.
    Tolerated,
    /// It is taken with a warning: the profile or RO-Crate recommends otherwise.
    Should,
    /// What breaks the rule is taken out, and what is left goes on with a warning.
    Removed,
}

impl Severity {
    /// The word that the page and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Tolerated => "tolerated",
            Self::Should => "should",
            Self::Removed => "removed",
        }
    }
}

/// One rule. Its code never changes; its words may.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name for programs.
    pub code: &'static str,
    /// What happens to a packet that breaks it.
    pub severity: Severity,
    /// What it is about: a kind of entity, file or entry.
    pub entity: &'static str,
    /// What is wrong where it is broken.
    pub wrong: &'static str,
    /// What the person who made the packet can do.
    pub remedy: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// A rule that something does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What breaks it: an entity's id or a file's name, as the packet writes it.
    pub entity: String,
    /// Numbers or names that say more; empty where there is nothing more to say.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(rule: &'static Rule, entity: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            rule,
            entity: entity.into(),
            detail: detail.into(),
        }
    }
}

/// Characters shown of an entity's id.
const SHOWN: usize = 100;

/// A name out of a packet, escaped so that it cannot steer a terminal, and cut where it is long.
pub(super) fn shown(name: &str) -> String {
    let text = format!("{:?}", name.chars().take(SHOWN).collect::<String>());
    match name.chars().nth(SHOWN) {
        Some(_) => format!("{text}…"),
        None => text,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            wrong, remedy, code, ..
        } = self.rule;
        write!(f, "{} {wrong}", shown(&self.entity))?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, "; {remedy} [{code}]")
    }
}

/// Writes the rules down once, as constants and as the list of all of them.
macro_rules! rules {
    ($($name:ident = $severity:ident $code:literal about $entity:literal from $source:ident:
        $wrong:literal; $remedy:literal)*) => {
        $(pub(super) static $name: Rule = Rule {
            code: $code,
            severity: Severity::$severity,
            entity: $entity,
            wrong: $wrong,
            remedy: $remedy,
            source: $source,
        };)*

        /// All rules, in the order in which a packet meets them.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

const SECURITY: &str = "Five Safes 0.4, Security considerations";
const PACKAGING: &str = "Five Safes 0.4, Packaging";
const BAGIT: &str = "RFC 8493";
const ROCRATE: &str = "RO-Crate 1.2";
const METADATA: &str = "Five Safes 0.4, Metadata";
const WORKFLOW: &str = "Five Safes 0.4, Workflow";
const RUN: &str = "Five Safes 0.4, Requested run";
const AGENT: &str = "Five Safes 0.4, Requesting agent";
const PROJECT: &str = "Five Safes 0.4, Responsible project";
const INPUTS: &str = "Five Safes 0.4, Inputs";
const OUTPUTS: &str = "Five Safes 0.4, Outputs";
const REVIEW: &str = "Five Safes 0.4, Review process";
const DISCLOSURE: &str = "Five Safes 0.4, Disclosure phase";
const PUBLISHING: &str = "Five Safes 0.4, Publishing phase";
const DAYBOOK: &str = "Daybook";

rules! {
    ZIP_SIZE = Must "zip-size" about "packet" from SECURITY:
        "is larger than a packet may be"; "leave large files out and name their datasets instead"
    ZIP_FORM = Must "zip-form" about "packet" from PACKAGING:
        "cannot be read as a zip archive"; "pack the folder again as a plain zip, stored or deflated"
    ZIP_SURPLUS = Must "zip-surplus" about "packet" from SECURITY:
        "has bytes outside its zip records"; "pack the folder again as a plain zip without a comment"
    ZIP_INCONSISTENT = Must "zip-inconsistent" about "packet" from SECURITY:
        "has two lists of its entries that disagree"; "pack the folder again with an ordinary zip program"
    ZIP_ENTRIES = Must "zip-entries" about "packet" from SECURITY:
        "has more entries than a packet may have"; "put many small files into one"
    ZIP_DUPLICATE = Must "zip-duplicate" about "entry" from SECURITY:
        "is in the packet twice"; "keep one"
    ZIP_COLLISION = Must "zip-collision" about "entry" from SECURITY:
        "is for some file systems the same name as another entry"; "rename one of the two"
    ZIP_NAME = Must "zip-name" about "entry" from SECURITY:
        "is not an allowed name"; "rename it and pack again"
    ZIP_ENCRYPTED = Must "zip-encrypted" about "entry" from SECURITY:
        "is encrypted"; "pack the folder again without a password"
    ZIP_SPECIAL = Must "zip-special" about "entry" from SECURITY:
        "is a link or a special file"; "replace it by the file it stands for"
    ZIP_FILE_SIZE = Must "zip-file-size" about "entry" from SECURITY:
        "is larger than a file may be"; "leave it out and name its dataset instead"
    ZIP_TOTAL_SIZE = Must "zip-total-size" about "packet" from SECURITY:
        "unpacks to more bytes than a packet may have"; "leave large files out and name their datasets instead"
    ZIP_RATIO = Must "zip-ratio" about "entry" from SECURITY:
        "unpacks to too many times its packed size"; "store it uncompressed if it is genuine"
    ZIP_DECLARED_SIZE = Must "zip-declared-size" about "entry" from SECURITY:
        "does not have the size that it declares"; "pack the folder again"
    ZIP_DAMAGED = Must "zip-damaged" about "entry" from PACKAGING:
        "cannot be unpacked"; "pack the folder again"
    ZIP_TOP_FOLDER = Must "zip-top-folder" about "entry" from PACKAGING:
        "is not inside the packet's one top folder"; "pack the bag's folder itself, and nothing beside it"

    BAG_MISSING = Must "bag-missing" about "tag file" from PACKAGING:
        "is missing"; "make the folder a BagIt 1.0 bag with SHA-512 manifests"
    BAG_FETCH = Must "bag-fetch" about "tag file" from DAYBOOK:
        "asks for files from elsewhere"; "put the files into the bag, nothing is fetched"
    BAG_TAG_FILE = Must "bag-tag-file" about "tag file" from BAGIT:
        "is not in the form that BagIt prescribes"; "bag again with a program for BagIt 1.0"
    BAG_UNLISTED = Must "bag-unlisted" about "file" from BAGIT:
        "is not listed in a manifest"; "run the bagging program again after the last change"
    BAG_ABSENT = Must "bag-absent" about "file" from BAGIT:
        "is listed in a manifest and not in the packet"; "put it back or bag again"
    BAG_DIGEST = Must "bag-digest" about "file" from BAGIT:
        "does not have the digest that a manifest gives"; "bag again after the last change"
    BAG_IDENTIFIER = Must "bag-identifier" about "bag-info.txt" from DAYBOOK:
        "has no External-Identifier that is a random UUID, which becomes the submission's id";
        "write `External-Identifier: urn:uuid:` with a fresh UUID of version 4"
    BAG_TAG_MANIFEST = Should "bag-tag-manifest" about "tag file" from PACKAGING:
        "is missing, so that the bag's own facts are not covered by a digest";
        "let the bagging program write it too"
    BAG_OTHER_MANIFEST = Should "bag-other-manifest" about "tag file" from PACKAGING:
        "is a manifest of an algorithm that is not checked here"; "leave it out, SHA-512 is enough"

    CRATE_MISSING = Must "crate-missing" about "ro-crate-metadata.json" from METADATA:
        "is missing"; "put the crate's metadata file at the root of the payload"
    CRATE_SIZE = Must "crate-size" about "ro-crate-metadata.json" from SECURITY:
        "has too many bytes or entities"; "describe large folders as one Dataset"
    CRATE_JSON = Must "crate-json" about "ro-crate-metadata.json" from ROCRATE:
        "is not JSON"; "write it with a program for RO-Crate"
    CRATE_SHAPE = Must "crate-shape" about "ro-crate-metadata.json" from ROCRATE:
        "is no flattened JSON-LD"; "write it with a program for RO-Crate"
    CRATE_CONTEXT = Must "crate-context" about "@context" from ROCRATE:
        "gives names of the profile another meaning, or is not RO-Crate's @context";
        "start with RO-Crate's own context and only add terms to it"
    CRATE_DESCRIPTOR = Must "crate-descriptor" about "metadata descriptor" from ROCRATE:
        "is not described as the metadata file `about` the root \"./\""; "add that entity"
    CRATE_VERSION = Must "crate-version" about "metadata descriptor" from METADATA:
        "does not conform to RO-Crate 1.2 or a later 1.x"; "set its conformsTo to https://w3id.org/ro/crate/1.2"
    CRATE_REFERENCE = Must "crate-reference" about "any entity" from PACKAGING:
        "leads out of the crate"; "name a file of the payload by its relative path, or anything else by an absolute URI"
    CRATE_ROLES = Must "crate-roles" about "any entity" from DAYBOOK:
        "cannot be written again with the same meaning, because one id stands for different things";
        "give each person, project, organisation, input and parameter an id of its own"
    TOLERATED_DRAFT = Tolerated "tolerated-draft" about "metadata descriptor" from ROCRATE:
        "conforms to a draft of RO-Crate 1.2"; "use https://w3id.org/ro/crate/1.2"
    TOLERATED_TYPE = Tolerated "tolerated-type" about "any entity" from ROCRATE:
        "has `type` where `@type` belongs"; "write `@type`"
    TOLERATED_LICENCE = Tolerated "tolerated-licence" about "root" from ROCRATE:
        "has `licence` where `license` belongs"; "write `license`"
    TOLERATED_MENTIONS = Tolerated "tolerated-mentions" about "root" from METADATA:
        "has one object in `mentions` where a list belongs"; "write a list, it grows with each phase"
    TOLERATED_STATUS = Tolerated "tolerated-status" about "action" from REVIEW:
        "spells its actionStatus in another way"; "write it as text, such as http://schema.org/PotentialActionStatus"
    TOLERATED_MEMBER = Tolerated "tolerated-member" about "Project" from PROJECT:
        "is a member of the project and not described"; "describe it as an Organization"

    ROOT_DATASET = Must "root-dataset" about "root" from ROCRATE:
        "is not described as a Dataset"; "add the root data entity with the id \"./\""
    ROOT_PROFILE = Should "root-profile" about "root" from METADATA:
        "does not say that it conforms to the profile"; "set its conformsTo to https://w3id.org/5s-crate/0.4"
    ROOT_VERSION = Must "root-version" about "root" from METADATA:
        "uses another version of the profile than 0.4"; "set its conformsTo to https://w3id.org/5s-crate/0.4"
    ROOT_ABOUT = Should "root-about" about "root" from ROCRATE:
        "lacks its name, description, datePublished or license"; "add them"
    PART_PRESENT = Must "part-present" about "hasPart" from ROCRATE:
        "is a part of the crate, and neither an absolute URI nor in the bag"; "put it into the bag, or take it out of hasPart"
    FILE_UNNAMED = Removed "file-unnamed" about "file" from DAYBOOK:
        "is neither an input nor part of the workflow, and is not handed on"; "name it as an input where the run needs it"
    PLACE_RESERVED = Must "place-reserved" about "file" from DAYBOOK:
        "lies where a TRE puts results or metadata"; "move it out of outputs/ and choose another name"

    WORKFLOW_ONE = Must "workflow-one" about "root" from WORKFLOW:
        "does not have exactly one mainEntity, the workflow"; "name the workflow's crate as mainEntity"
    WORKFLOW_DATASET = Must "workflow-dataset" about "workflow" from WORKFLOW:
        "is not described as a Dataset, the workflow's crate"; "describe it with @type Dataset"
    WORKFLOW_CONFORMS = Must "workflow-conforms" about "workflow" from WORKFLOW:
        "does not conform to a version of https://w3id.org/workflowhub/workflow-ro-crate"; "add that conformsTo"
    WORKFLOW_PLACE = Should "workflow-place" about "workflow" from WORKFLOW:
        "has neither a distribution nor a copy in the crate"; "add its zip as distribution"

    RUN_ONE = Must "run-one" about "root" from RUN:
        "does not mention exactly one CreateAction, the requested run"; "mention one"
    RUN_INSTRUMENT = Must "run-instrument" about "CreateAction" from RUN:
        "does not have the workflow as its one instrument"; "set its instrument to the mainEntity"
    RUN_STATUS = Must "run-status" about "CreateAction" from RUN:
        "does not have the status PotentialActionStatus of a request"; "ask for a run that has not begun"
    RUN_NAME = Should "run-name" about "CreateAction" from RUN:
        "has no name of at least ten characters"; "say in its name what is to be run"
    RUN_ID = Should "run-id" about "CreateAction" from RUN:
        "has an id without a UUID of its own"; "use `#run-` and a fresh UUID, another than the bag's"
    AGENT_ONE = Must "agent-one" about "CreateAction" from AGENT:
        "does not have exactly one agent, the person who asks"; "name that person as agent"
    AGENT_PERSON = Must "agent-person" about "agent" from AGENT:
        "is not described as a Person"; "describe the agent with @type Person"
    AGENT_AFFILIATION = Should "agent-affiliation" about "agent" from AGENT:
        "has no affiliation that is described as an Organization"; "add it"
    AGENT_PROJECT = Should "agent-project" about "agent" from AGENT:
        "is not memberOf the project"; "add the project to its memberOf"
    PROJECT_ONE = Must "project-one" about "root" from PROJECT:
        "does not have exactly one sourceOrganization, the project"; "name the project as sourceOrganization"
    PROJECT_TYPE = Must "project-type" about "project" from PROJECT:
        "is not described as a Project"; "describe it with @type Project"

    INPUT_DESCRIBED = Must "input-described" about "input" from INPUTS:
        "is an input of the run and not described"; "add its entity"
    INPUT_FILE = Must "input-file" about "input" from INPUTS:
        "is an input file and not in the bag"; "put it into the bag"
    INPUT_KIND = Must "input-kind" about "input" from DAYBOOK:
        "is neither a file of the bag, nor a value, nor the URI of a dataset"; "name it as one of these"
    INPUT_PARAMETER = Should "input-parameter" about "input" from INPUTS:
        "is no exampleOfWork of a FormalParameter with a name, so no workflow gets it"; "say which parameter it fills"
    INPUT_ONCE = Must "input-once" about "input" from DAYBOOK:
        "fills a parameter that another input fills already"; "keep one of the two"

    CLAIM_REMOVED = Removed "claim-removed" about "action" from REVIEW:
        "claims a step that only a TRE can take, and was taken out"; "leave assessments out of a request"

    RESULT_ASSESSED = Must "result-assessed" about "root" from PUBLISHING:
        "does not mention every assessment of the TRE"; "mention them all"
    RESULT_PHASE = Must "result-phase" about "root" from REVIEW:
        "lacks an action of a phase that this outcome needs"; "add it"
    RESULT_ACTION = Must "result-action" about "action" from REVIEW:
        "has no name, valid actionStatus, agent or object"; "add what is missing"
    RESULT_PROVIDER = Must "result-provider" about "SoftwareApplication" from REVIEW:
        "has no provider that is an Organization"; "name the TRE as its provider"
    RESULT_TIMES = Must "result-times" about "action" from REVIEW:
        "has a time that is not RFC 3339 with a zone, or lacks its endTime"; "write the time"
    RESULT_OUTPUT = Must "result-output" about "output" from OUTPUTS:
        "is a result and not described, not a part of the crate, or not in the bag"; "describe it and put it into hasPart"
    RESULT_STRAY = Must "result-stray" about "file" from DISCLOSURE:
        "lies in outputs/ and is no result of a run that was let out"; "take it out"
    RESULT_WITHHELD = Must "result-withheld" about "CreateAction" from DISCLOSURE:
        "stands in a crate of which disclosure control let nothing out"; "take it out"
    RESULT_PUBLISHER = Should "result-publisher" about "root" from PUBLISHING:
        "lacks its publisher, license or datePublished"; "add them"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_plain_and_no_two_rules_share_one() {
        let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), RULES.len());
        for code in codes {
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{code}"
            );
        }
    }

    #[test]
    fn a_long_or_hostile_name_is_shown_cut_and_escaped() {
        let finding = Finding::new(&ZIP_NAME, format!("\u{1b}[2J{}", "x".repeat(500)), "");
        let text = finding.to_string();
        assert!(text.contains("x\"… is not") && !text.contains('\u{1b}'), "{text}");
        assert!(text.chars().count() < 300, "{text}");
    }
}
