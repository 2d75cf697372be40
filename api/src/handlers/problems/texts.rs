//! What each problem means in plain words, and how its detail may read.

use crate::problem::ProblemKind;

/// The words of a problem's page besides its title and remedy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    /// What has happened, for somebody who meets it for the first time.
    pub(crate) meaning: &'static str,
    /// A detail as one may meet it.
    pub(crate) example: &'static str,
}

impl ProblemKind {
    /// The words of its page.
    pub(crate) fn text(self) -> Text {
        let (meaning, example) = self
            .of_requests()
            .or_else(|| self.of_events())
            .unwrap_or_else(|| self.of_the_hub());
        Text { meaning, example }
    }

    /// Problems of a request, whatever it is about.
    fn of_requests(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::MalformedRequest => (
                "A parameter, a header or the body is not of a form that the route takes. Nothing was done.",
                "`limit` is a whole number from 1 to 200, and not \"many\".",
            ),
            Self::NotAuthenticated => (
                "The route is not for everybody, and the request does not show who asks; or it came with an access token that does not hold. A token fits one log, one method and one path, and lives for five minutes at most.",
                "This needs an access token.",
            ),
            Self::NotFound => (
                "Nothing is known under that path, that id or that index. What a caller may not read is answered in the same way, so that nobody learns whether it is there.",
                "The log has no entry 999999.",
            ),
            Self::MethodNotAllowed => (
                "There is such a route, and it does something else.",
                "/v1/events does not take this method.",
            ),
            Self::TooSlow => (
                "The bytes of the body did not come in time, so that the hub gave the request up. Nothing was done.",
                "The body did not come within 30 s; a packet may take longer, at 17476 bytes a second or more.",
            ),
            Self::UriTooLong => (
                "The hub reads addresses up to a certain length only.",
                "Path and query are at most 8192 bytes, these are 9004.",
            ),
            Self::TooLarge => (
                "The body, or a part of it, has more bytes or more items than the hub takes. Nothing was done.",
                "A body of this route is at most 524288 bytes.",
            ),
            Self::NoSuchRange => (
                "`Range` asks for bytes behind the end of the packet.",
                "The packet has 1000 bytes, and none of those that `Range` names.",
            ),
            Self::OverQuota => (
                "Packets that no job names yet are kept within a limit for each sender. With this one there would be more.",
                "3 packets of 900000 bytes wait to be named, and this one has 200000: 1000000 bytes is all that one may have.",
            ),
            Self::LengthRequired => (
                "A packet is taken only if the hub knows beforehand how long it is.",
                "A packet comes with its `Content-Length`.",
            ),
            Self::DigestMismatch => (
                "The bytes that came are not those that the request announced. They were thrown away.",
                "The packet's digest is 0tkL_6SueJfNuyPxtkJa1w6hT5bpAT-6LSHQm8AQui4.",
            ),
            Self::RateLimited => (
                "One address, or one actor, asks more often than the operator of this hub allows.",
                "This address asks more often than it may.",
            ),
            _ => return None,
        })
    }

    /// Problems of an event that is to be appended.
    fn of_events(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::MalformedEvent => (
                "The event is not a compact JWS of the one form that the log takes. The same content has exactly one spelling, so that everybody computes the same hash of it.",
                "the payload is not canonical JSON (RFC 8785)",
            ),
            Self::MalformedOpening => (
                "What came beside the event as an opening of a sealed field cannot be one.",
                "the opening is not unpadded base64url",
            ),
            Self::UnknownKey => (
                "No entry of the log registers the key that the event names in `kid`.",
                "no key 0tkL_6SueJfNuyPxtkJa1w6hT5bpAT-6LSHQm8AQui4 is registered",
            ),
            Self::BadSignature => (
                "The event names a registered key, and was not signed by it, or was changed afterwards.",
                "the signature does not verify under the key that `kid` names",
            ),
            Self::NotYourKey => (
                "The key is registered, and may not sign for the author that the event names: it belongs to somebody else, it was revoked, or it is for access tokens.",
                "the key is not a valid key of tre/wessex/relay for events",
            ),
            Self::NotYourStream => (
                "Every stream of events has one author organisation, so that nobody can speak for another.",
                "operator may not write the stream tre/wessex",
            ),
            Self::NotAllowed => (
                "The caller is known, and what it asks for is for others: for another role of its organisation, or for those who have something to send.",
                "tre/wessex/relay may not sign approval-withdrawn: that is for the role review",
            ),
            Self::NotPublished => (
                "The entry stands in the log, and the hub has not signed a checkpoint that covers it yet. That takes a fraction of a second, as a rule.",
                "No checkpoint covers entry 812 yet.",
            ),
            Self::NotNext => (
                "Another event of the stream came first, or one before this is missing.",
                "the next event of tre/wessex has seq 5, and this one has seq 4",
            ),
            Self::Conflict => (
                "Somebody has used this id before, for other bytes. The hub keeps what came first.",
                "another event of that author has this jti",
            ),
            Self::OtherLog => (
                "The event names another log in `aud`, such as one for trying things out. It fits nowhere else, so that nobody can carry it from one log into another.",
                "the event is for staging.example/log, and this log is daybook.example/log",
            ),
            Self::DatedAhead => (
                "The time in `iat` lies in the future, by the hub's clock, by more than clocks may differ.",
                "iat is 400 s ahead of the hub's clock; at most 300 s are taken",
            ),
            Self::SeenUnknown => (
                "The event quotes in `seen` a tree that this hub has never published. Either its author was shown another log than everybody else, or something is wrong with what it keeps.",
                "this log has not published the tree of size 3 and that root",
            ),
            Self::Refused => (
                "The event is well formed and signed by the right one, and the rule table in force does not allow it where things stand.",
                "run-started may not come in the state collected",
            ),
            Self::NoWitnesses => (
                "The request wants to wait for a witness, and no witness cosigns this log's checkpoints: it would wait for ever.",
                "No witness cosigns this log's checkpoints, so that waiting for one would never end. Nothing was appended.",
            ),
            Self::BadCosignature => (
                "A witness brought a checkpoint with its line under it, and the line is not one of this log's witnesses', or not over a checkpoint that this log published.",
                "the cosignature is not that witness's over a checkpoint that this log published",
            ),
            Self::TooFarBack => (
                "A stream of events is for following what happens. What lies far back is read faster page by page.",
                "The log has 300000 entries, and a stream of it begins at most 100000 back.",
            ),
            _ => return None,
        })
    }

    /// What is the matter with the hub, and with nobody's request.
    fn of_the_hub(self) -> (&'static str, &'static str) {
        match self {
            Self::Busy => (
                "The hub keeps what waits within limits, so that it stays fast and small. At this moment there is no room for more.",
                "The hub has as many bytes of events in hand as it takes. Send the same again after a pause.",
            ),
            Self::OutcomeUnknown => (
                "The database was asked to keep the event, and did not say whether it did.",
                "it is not known whether the event was appended",
            ),
            Self::Stopped => (
                "The hub has found a reason to doubt that its log is the one that it published, and writes nothing until a person has decided. Reading goes on.",
                "The hub has found a doubt about its log and writes nothing.",
            ),
            Self::Unavailable => (
                "A part that the hub cannot do without, most often its database, gave no answer in time.",
                "The hub's database did not answer in time.",
            ),
            Self::ViewBehind => (
                "Lists are made from the log, and follow it a moment later. The one that was asked for is not as far as `at_least` wants, or is only being made.",
                "The view has followed the log up to 812 entries, and not yet up to 815.",
            ),
            Self::NotReady => (
                "The hub lives, and one of the checks that it makes of itself does not hold.",
                "These checks do not hold: disk.",
            ),
            Self::PacketsUnavailable => (
                "Packets lie in a folder or a bucket of their own, and that does not answer. The log is not touched by it.",
                "The packet store did not answer as it must.",
            ),
            _ => (
                "The hub met something that must not be. What it was stands in the hub's own log, under the `request_id` of the document.",
                "The hub could not answer. The reason is in its own log.",
            ),
        }
    }
}
