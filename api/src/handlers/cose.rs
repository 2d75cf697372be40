//! COSE receipts (RFC 9942), where the hub has a key for them.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use daybook_core::cose::{ReceiptError, ReceiptSigner};

use super::events::{canonical, proved, saved_as};
use super::log::BRIEF;
use crate::app::App;
use crate::extract::Path;
use crate::problem::{Problem, ProblemKind};

/// Media type of a receipt (RFC 9052 §11.2): RFC 9942 has none of its own.
pub(crate) const COSE_SIGN1: &str = "application/cose; cose-type=\"cose-sign1\"";
/// Media type of the keys (RFC 9052 §11.2).
pub(crate) const COSE_KEY_SET: &str = "application/cose-key-set";

/// The receipt of one entry, against the checkpoint that its proof is against.
pub(crate) async fn get_event_cose_receipt(
    State(app): State<App>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    let index = canonical(&index)?;
    let signer = signer(&app)?;
    let (proof, released) = proved(&app, index).await?;
    let head = &released.head;
    let receipt = signer.receipt(index, head.size, proof.path(), &head.root);
    let receipt = receipt.map_err(|error| match error {
        // The log's first entry alone: the next checkpoint covers more.
        ReceiptError::NoPath => Problem::because(ProblemKind::NotPublished, &error),
        ReceiptError::Encoding(_) => Problem::internal(&error),
    })?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(COSE_SIGN1)),
        (header::CONTENT_DISPOSITION, saved_as(index, "cose-receipt")),
    ];
    Ok((headers, receipt).into_response())
}

/// A copy of the key that signs them. Verifiers take theirs from elsewhere.
pub(crate) async fn get_cose_keys(State(app): State<App>) -> Result<Response, Problem> {
    let keys = signer(&app)?
        .key_set()
        .map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(COSE_KEY_SET)),
        (header::CACHE_CONTROL, BRIEF),
    ];
    Ok((headers, keys).into_response())
}

fn signer(app: &App) -> Result<&ReceiptSigner, Problem> {
    app.receipts
        .as_deref()
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, "This hub signs no COSE receipts."))
}
