//! What the bytes say, once the signature holds.

use std::time::Duration;

use aegis_schemas::signature::{ALGORITHM, DECISION_TYPE, Envelope, Keyring, Untrusted};
use aegis_schemas::{Action, EntityKind, RefusalCode, Warrant, codec};

use super::Refusal;

/// How long a warrant may be valid, from its `iat`.
pub const MAX_LIFETIME: Duration = Duration::from_secs(120);

/// The audience of the executor of the cluster with that UID.
#[must_use]
pub fn audience(cluster_uid: &str) -> String {
    format!("aegis-executor/{cluster_uid}")
}

/// The warrant in `bytes`, if an active key signed it for the cluster `cluster_uid`.
///
/// # Errors
///
/// Size, envelope, key and signature, type, body, inner key and algorithm, audience, in this order.
pub fn believe(bytes: &[u8], keys: &Keyring, cluster_uid: &str) -> Result<Warrant, Refusal> {
    let (envelope, key) = Envelope::verify(bytes, keys).map_err(|untrusted| {
        let code = match untrusted {
            Untrusted::TooLarge(_) => RefusalCode::TooLarge,
            Untrusted::Malformed(_) => RefusalCode::Malformed,
            Untrusted::BadMac => RefusalCode::BadMac,
        };
        Refusal::new(code, untrusted.to_string())
    })?;
    // One envelope has one spelling, so that no copy of it differs by a byte.
    if codec::encode(&envelope).ok().as_deref() != Some(bytes) {
        let message = "the envelope is not in its canonical encoding";
        return Err(Refusal::new(RefusalCode::Malformed, message));
    }
    if envelope.payload_type != DECISION_TYPE {
        let message = format!("the payload is `{}`, not a decision", envelope.payload_type);
        return Err(Refusal::new(RefusalCode::TypeMismatch, message));
    }
    let malformed = |message: String| Refusal::new(RefusalCode::Malformed, message);
    let warrant = Warrant::decode_strict(&envelope.payload).map_err(malformed)?;
    if warrant.v != Warrant::VERSION {
        return Err(malformed(format!(
            "version {} of a warrant, expected {}",
            warrant.v,
            Warrant::VERSION
        )));
    }
    if warrant.kid != key.kid() || warrant.alg != ALGORITHM {
        return Err(malformed(
            "key or algorithm inside differ from those outside".to_owned(),
        ));
    }
    if warrant.audience != audience(cluster_uid) {
        let message = format!("meant for `{}`", warrant.audience);
        return Err(Refusal::new(RefusalCode::Audience, message));
    }
    sound(&warrant).map_err(malformed)?;
    Ok(warrant)
}

/// Whether the parts of the body agree with each other.
fn sound(warrant: &Warrant) -> Result<(), String> {
    // So that the first and the last moment of its life are bound to each other, whatever `iat` says.
    if warrant.iat > warrant.nbf || warrant.nbf > warrant.exp {
        return Err("`iat`, `nbf` and `exp` do not follow each other".to_owned());
    }
    if warrant.exp > warrant.iat + MAX_LIFETIME {
        return Err(format!(
            "valid for longer than {} s",
            MAX_LIFETIME.as_secs()
        ));
    }
    let target = &warrant.target.object;
    let kind = target.entity.kind;
    let gvk = match kind {
        EntityKind::Pod => "v1/Pod",
        EntityKind::Deployment => "apps/v1/Deployment",
        EntityKind::StatefulSet => "apps/v1/StatefulSet",
        EntityKind::DaemonSet => "apps/v1/DaemonSet",
        other => return Err(format!("no act on a {other}")),
    };
    if target.gvk != gvk {
        return Err(format!("a {kind} is `{gvk}`, not `{}`", target.gvk));
    }
    if target.entity.namespace.is_none() || target.entity.namespace != target.workload.namespace {
        return Err("the object and its workload are in different namespaces".to_owned());
    }
    let fits = match &warrant.action {
        Action::RestartPod { .. } => kind == EntityKind::Pod,
        Action::Scale { .. } => {
            matches!(kind, EntityKind::Deployment | EntityKind::StatefulSet)
        }
        Action::RolloutRestart | Action::Rollback { .. } | Action::RestoreTemplate { .. } => {
            kind != EntityKind::Pod
        }
    };
    if fits && (kind == EntityKind::Pod || target.entity == target.workload) {
        Ok(())
    } else {
        Err(format!("{} is no act on {kind}", warrant.action.kind()))
    }
}
