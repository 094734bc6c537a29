//! Who may ask what of the gateway: the same schema as for acts, and a policy file of its own, which is
//! built in.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aegis_schemas::Actor;

use super::cedar::Policies;

const FILE: &str = "api.cedar";

/// Somebody who asks for an operation of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who, with their roles of now.
    pub by: &'a Actor,
    /// The operation's id.
    pub operation: &'a str,
    /// The scopes of the API key that is used instead of a sign-in.
    pub scopes: Option<&'a BTreeSet<String>>,
    /// How long ago they signed in.
    pub signed_in: Duration,
}

/// The policies over the gateway's operations.
#[derive(Debug)]
pub struct Permissions(Policies);

impl Permissions {
    /// The built-in ones.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Permissions>> = LazyLock::new(|| {
            let policies = Policies::of(
                FILE,
                include_str!("../../default/schema.cedarschema"),
                include_str!("../../default/api.cedar"),
            );
            Arc::new(Permissions(policies.expect("checked by a test")))
        });
        Arc::clone(&BUILT_IN)
    }

    /// Whether the call is allowed.
    ///
    /// # Errors
    ///
    /// Why not, in words for whoever asked.
    pub fn check(&self, call: &Call<'_>) -> Result<(), String> {
        let answer = self.0.call(call);
        if answer.allowed {
            return Ok(());
        }
        let said: Vec<String> = answer.deciding.into_iter().map(|said| said.text).collect();
        Err(if said.is_empty() {
            "no policy allows it to these roles".to_owned()
        } else {
            said.join("; ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: u64 = 60;
    const STALE: u64 = 901;

    fn allowed(role: &str, operation: &str, scopes: Option<&[&str]>, signed_in: u64) -> bool {
        let by = Actor {
            name: "somebody".to_owned(),
            roles: [role.to_owned()].into(),
        };
        let scopes = scopes.map(|scopes| scopes.iter().map(|&scope| scope.to_owned()).collect());
        let call = Call {
            by: &by,
            operation,
            scopes: scopes.as_ref(),
            signed_in: Duration::from_secs(signed_in),
        };
        Permissions::built_in().check(&call).is_ok()
    }

    #[test]
    fn roles_scopes_and_the_age_of_a_sign_in_decide() {
        for (role, operation, scopes, signed_in, expected) in [
            ("auditor", "list_incidents", None, STALE, true),
            ("service", "list_incidents", None, FRESH, false),
            ("service", "publish_metrics", None, STALE, true),
            ("auditor", "publish_metrics", None, FRESH, false),
            ("auditor", "approve_proposal", None, FRESH, false),
            ("operator", "approve_proposal", None, STALE, true),
            ("operator", "list_users", None, FRESH, false),
            ("auditor", "list_users", None, FRESH, true),
            ("operator", "add_user", None, FRESH, false),
            ("admin", "add_user", None, FRESH, true),
            ("admin", "add_user", None, STALE, false),
            ("admin", "stop_acts", None, STALE, true),
            ("admin", "resume_acts", None, STALE, false),
            ("service", "create_key", None, FRESH, true),
            ("service", "create_key", None, STALE, false),
            ("root", "list_incidents", None, FRESH, false),
            ("root", "whoami", None, FRESH, true),
            // A key does what its owner may and it is for, no more.
            ("admin", "list_incidents", Some(&["read"][..]), 0, true),
            ("admin", "list_incidents", Some(&["publish"]), 0, false),
            ("auditor", "publish_metrics", Some(&["publish"]), 0, false),
            ("service", "publish_metrics", Some(&["publish"]), 0, true),
            ("operator", "request_act", Some(&["ask"]), 0, true),
            ("operator", "request_act", Some(&["read"]), 0, false),
            (
                "admin",
                "add_user",
                Some(&["read", "publish", "ask"]),
                0,
                false,
            ),
            (
                "admin",
                "create_key",
                Some(&["read", "publish", "ask"]),
                0,
                false,
            ),
            ("admin", "no_such_operation", None, FRESH, false),
        ] {
            assert_eq!(
                allowed(role, operation, scopes, signed_in),
                expected,
                "{role} {operation} {scopes:?} {signed_in}"
            );
        }
    }
}
