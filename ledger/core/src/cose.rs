//! COSE receipts of inclusion (RFC 9942) for roots that the log has signed as checkpoints, by a key of their own.
//!
//! One says that whoever holds that key has seen the entry in a tree with this root: no witness speaks in it, and neither the
//! log's name nor the tree's size is under the signature. For all of that there is the proof file, [`crate::proof_file`].

use coset::cbor::Value;
use coset::iana::{Algorithm, EllipticCurve, OkpKeyParameter};
use coset::{
    CborSerializable as _, CoseError, CoseKey, CoseKeyBuilder, CoseKeySet, CoseSign1Builder, HeaderBuilder,
    TaggedCborSerializable as _,
};

use crate::Hash;
use crate::key::{PublicKey, SecretKey};

/// Header parameter `vds`: which structure the proofs are of (RFC 9942 §2).
const VDS: i64 = 395;
/// Header parameter `vdp`: the proofs (RFC 9942 §2).
const VDP: i64 = 396;
/// `RFC9162_SHA256`, the tree of RFC 9162 §2.1 (RFC 9942 §5.1).
const RFC9162_SHA256: i64 = 1;
/// Label of inclusion proofs (RFC 9942 §5.2).
const INCLUSION: i64 = -1;

/// No receipt can be made.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// RFC 9942 §5.2 wants one hash at least.
    #[error("the inclusion proof has no hash, and a COSE receipt has one at least")]
    NoPath,
    /// The encoder does not take it.
    #[error("the receipt cannot be encoded")]
    Encoding(#[source] CoseError),
}

/// What signs receipts: an Ed25519 key that signs nothing else.
#[derive(Debug)]
pub struct ReceiptSigner {
    key: SecretKey,
    kid: Vec<u8>,
}

impl ReceiptSigner {
    /// Takes the 32 bytes of the seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, ReceiptError> {
        let key = SecretKey::from_seed(seed);
        let kid = thumbprint(&key.public())?;
        Ok(Self { key, kid })
    }

    /// The key's name in receipts: its COSE thumbprint with SHA-256 (RFC 9679).
    pub fn kid(&self) -> &[u8] {
        &self.kid
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The receipt of one entry: a tagged `COSE_Sign1` over the root, which is not in it (RFC 9942 §5.2.1).
    ///
    /// `path` is the inclusion proof of the entry `index` in the tree of `size` entries whose root is `root`; the same
    /// arguments always give the same bytes.
    pub fn receipt(
        &self,
        index: u64,
        size: u64,
        path: &[Hash],
        root: &Hash,
    ) -> Result<Vec<u8>, ReceiptError> {
        if path.is_empty() {
            return Err(ReceiptError::NoPath);
        }
        let hashes = path.iter().map(|hash| Value::Bytes(hash.0.to_vec())).collect();
        let proof = Value::Array(vec![size.into(), index.into(), Value::Array(hashes)]);
        let proof = proof.to_vec().map_err(ReceiptError::Encoding)?;
        let proofs = vec![(INCLUSION.into(), Value::Array(vec![Value::Bytes(proof)]))];
        let protected = HeaderBuilder::new()
            .algorithm(Algorithm::Ed25519)
            .key_id(self.kid.clone())
            .value(VDS, RFC9162_SHA256.into());
        let unprotected = HeaderBuilder::new().value(VDP, Value::Map(proofs));
        CoseSign1Builder::new()
            .protected(protected.build())
            .unprotected(unprotected.build())
            .create_detached_signature(&root.0, &[], |bytes| self.key.sign(bytes).to_vec())
            .build()
            .to_tagged_vec()
            .map_err(ReceiptError::Encoding)
    }

    /// The public key as a set of one (`COSE_KeySet`, RFC 9052 §7).
    pub fn key_set(&self) -> Result<Vec<u8>, ReceiptError> {
        let mut key = okp(&self.key.public()).algorithm(Algorithm::Ed25519).build();
        key.key_id.clone_from(&self.kid);
        CoseKeySet(vec![key]).to_vec().map_err(ReceiptError::Encoding)
    }
}

/// A key with what must be in it (RFC 9053 §7.2).
fn okp(key: &PublicKey) -> CoseKeyBuilder {
    CoseKeyBuilder::new_okp_key()
        .param(
            OkpKeyParameter::Crv as i64,
            (EllipticCurve::Ed25519 as i64).into(),
        )
        .param(OkpKeyParameter::X as i64, Value::Bytes(key.as_bytes().to_vec()))
}

/// RFC 9679 §3.
fn thumbprint(key: &PublicKey) -> Result<Vec<u8>, ReceiptError> {
    let key: CoseKey = okp(key).build();
    let bytes = key.to_vec().map_err(ReceiptError::Encoding)?;
    Ok(Hash::of(&bytes).0.to_vec())
}

#[cfg(test)]
mod tests;
