//! Key files and the certificate.

use daybook_api::SOON;
use daybook_core::id::Actor;
use daybook_core::note::NoteSigner;
use jiff::Timestamp;

use super::Finding;
use crate::config::{Config, Secrets};
use crate::hub;
use daybook_agent::keyfile::Keys;

pub(super) fn keys(config: &Config, secrets: &Secrets) -> Vec<Finding> {
    let log = hub::log_signer(config, secrets);
    let log_keys = log.as_ref().map_or_else(|_| Vec::new(), NoteSigner::verifiers);
    let mut findings = vec![match log {
        Ok(signer) => Finding::ok("log key", format!("is that of {}", signer.verifier())),
        Err(error) => Finding::error("log key", &error),
    }];
    findings.extend(match hub::receipt_signer(config, &log_keys) {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::ok("COSE key", "can be read")),
        Err(error) => Some(Finding::error("COSE key", &error)),
    });
    let clerk = config.key_dir.join(hub::CLERK_FILE);
    findings.push(match Keys::read(&clerk) {
        Ok(keys) if keys.actor == Actor::Clerk => Finding::ok("clerk's key", "can be read"),
        Ok(keys) => Finding::fail(
            "clerk's key",
            format!("{} is of {}", clerk.display(), keys.actor),
            "put the clerk's own file there",
        ),
        Err(error) => Finding::error("clerk's key", &error),
    });
    let operator = config.key_dir.join(hub::OPERATOR_FILE);
    if operator.exists() {
        findings.push(Finding::warn(
            "operator's key",
            format!("{} lies beside the hub", operator.display()),
            "move it to a place of its own: it speaks for the federation's operator",
        ));
    }
    findings
}

pub(super) fn certificate(config: &Config) -> Option<Finding> {
    match hub::certificate(config) {
        Ok(None) if config.listen.ip().is_loopback() => None,
        Ok(None) => Some(Finding::warn(
            "certificate",
            format!("none, and the hub listens on {}", config.listen),
            "set `tls_cert` and `tls_key`, or let only a proxy that ends TLS reach that address",
        )),
        Ok(Some(tls)) => {
            let Some(ends) = tls.ends() else {
                return Some(Finding::warn(
                    "certificate",
                    "its end cannot be read",
                    "look with openssl x509",
                ));
            };
            let says = format!("ends at {ends}");
            let is_soon = ends.duration_since(Timestamp::now()) < SOON;
            Some(if is_soon {
                Finding::warn("certificate", says, "renew it")
            } else {
                Finding::ok("certificate", says)
            })
        }
        Err(error) => Some(Finding::error("certificate", &error)),
    }
}
