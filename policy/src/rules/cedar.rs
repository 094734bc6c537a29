//! The Cedar policies: checked when loaded, asked for every act and every order.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use aegis_schemas::{ActionKind, EvidenceSource, Mode, Severity};
use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity as CedarEntity, EntityId,
    EntityTypeName, EntityUid, PolicyId, PolicySet, Request, RestrictedExpression as Value, Schema,
    ValidationMode, Validator,
};
use miette::Diagnostic;

use super::bundle::{POLICIES, SCHEMA};
use super::permissions::Call;
use super::question::{Answer, Facts, Order, Principal, Said};
use super::{Invalid, line_of};

/// A checked set of policies.
#[derive(Debug)]
pub(crate) struct Policies {
    schema: Schema,
    set: PolicySet,
    told: BTreeMap<String, Told>,
}

/// What a policy tells people.
#[derive(Debug)]
struct Told {
    reason: String,
    flip: String,
}

struct Types {
    service: EntityTypeName,
    person: EntityTypeName,
    role: EntityTypeName,
    cluster: EntityTypeName,
    namespace: EntityTypeName,
    workload: EntityTypeName,
    action: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let name = |name| EntityTypeName::from_str(name).expect("a literal type name");
    Types {
        service: name("Service"),
        person: name("Person"),
        role: name("Role"),
        cluster: name("Cluster"),
        namespace: name("Namespace"),
        workload: name("Workload"),
        action: name("Action"),
    }
});

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

impl Policies {
    /// The policies of a set: strictly valid, and able to hold all that Aegis asks.
    pub(super) fn parse(schema_text: &str, text: &str) -> Result<Self, Invalid> {
        let policies = Self::of(POLICIES, schema_text, text)?;
        policies.fits()?;
        Ok(policies)
    }

    /// Strictly valid policies in a file of that name.
    pub(super) fn of(file: &'static str, schema_text: &str, text: &str) -> Result<Self, Invalid> {
        let (schema, _warnings) = Schema::from_cedarschema_str(schema_text)
            .map_err(|error| invalid(SCHEMA, schema_text, &error))?;
        let parsed = PolicySet::from_str(text).map_err(|error| invalid(file, text, &error))?;
        if parsed.templates().next().is_some() {
            let reason =
                "a policy with `?principal` or `?resource` is a template; name what is meant";
            return Err(Invalid::new(file, None, reason));
        }
        let mut set = PolicySet::new();
        let mut told = BTreeMap::new();
        for policy in parsed.policies() {
            let at = policy
                .to_cedar()
                .and_then(|source| text.find(source.as_str()));
            let line = at.map(|offset| line_of(text, offset));
            let annotation = |key: &str| policy.annotation(key).filter(|text| !text.is_empty());
            let id = annotation("id")
                .ok_or_else(|| Invalid::new(file, line, "a policy needs an `@id(\"...\")`"))?;
            let reason = annotation("reason").ok_or_else(|| {
                Invalid::new(
                    file,
                    line,
                    format!("policy `{id}` needs a `@reason(\"...\")`"),
                )
            })?;
            let flip = annotation("flip").map_or_else(
                || match policy.effect() {
                    Effect::Forbid => format!("what policy `{id}` asks for"),
                    Effect::Permit => String::new(),
                },
                str::to_owned,
            );
            let of = Told {
                reason: reason.to_owned(),
                flip,
            };
            if told.insert(id.to_owned(), of).is_some() {
                let reason = format!("policy `{id}` is there twice");
                return Err(Invalid::new(file, line, reason));
            }
            set.add(policy.new_id(PolicyId::new(id)))
                .map_err(|error| Invalid::new(file, line, error.to_string()))?;
        }
        let policies = Self { schema, set, told };
        policies.validate(file, text)?;
        Ok(policies)
    }

    /// Every policy's id and reason.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        let told = self.told.iter();
        told.map(|(id, told)| (id.as_str(), told.reason.as_str()))
    }

    fn validate(&self, file: &'static str, text: &str) -> Result<(), Invalid> {
        let validator = Validator::new(self.schema.clone());
        let result = validator.validate(&self.set, ValidationMode::Strict);
        // The first by place, so that the same set is refused with the same words.
        let first = result
            .validation_errors()
            .map(|error| invalid(file, text, error))
            .min_by(|a, b| (a.line, &a.reason).cmp(&(b.line, &b.reason)));
        first.map_or(Ok(()), Err)
    }

    /// Whether the policies allow an act, or what somebody says about one.
    pub(crate) fn act(&self, facts: &Facts<'_>) -> Answer {
        self.try_act(facts).unwrap_or_else(|error| failed(&error))
    }

    /// Whether the policies allow an order.
    pub(crate) fn order(&self, order: &Order<'_>) -> Answer {
        self.try_order(order).unwrap_or_else(|error| failed(&error))
    }

    pub(super) fn try_act(&self, facts: &Facts<'_>) -> Result<Answer, String> {
        let workload = facts.workload;
        let namespace_name = workload
            .namespace
            .as_ref()
            .map_or("", aegis_schemas::Namespace::as_str);
        let cluster = uid(&TYPES.cluster, workload.cluster.as_str());
        let namespace = uid(
            &TYPES.namespace,
            &format!("{}/{namespace_name}", workload.cluster),
        );
        let resource = uid(&TYPES.workload, &workload.to_string());
        let long = Value::new_long;
        let text = |text: &str| Value::new_string(text.to_owned());
        let tags = |tags: &BTreeMap<String, String>| {
            tags.iter()
                .map(|(key, value)| (key.clone(), Value::new_string(value.clone())))
                .collect::<Vec<_>>()
        };
        let attributes = [
            (
                "namespace".to_owned(),
                Value::new_entity_uid(namespace.clone()),
            ),
            ("name".to_owned(), text(workload.name.as_str())),
            ("kind".to_owned(), text(workload.kind.as_str())),
            ("replicas".to_owned(), long(facts.replicas)),
            ("ready".to_owned(), long(facts.ready)),
        ];
        let entities = [
            CedarEntity::with_uid(cluster.clone()),
            CedarEntity::new_with_tags(
                namespace.clone(),
                [],
                [cluster],
                tags(facts.namespace_tags),
            )
            .map_err(|error| error.to_string())?,
            CedarEntity::new_with_tags(resource.clone(), attributes, [namespace], tags(facts.tags))
                .map_err(|error| error.to_string())?,
        ];
        let context = facts.case.as_ref().map_or_else(Vec::new, |case| {
            let sources = case.sources.iter().map(|source| text(source_name(*source)));
            vec![
                ("mode".to_owned(), text(case.mode.as_str())),
                ("approved".to_owned(), Value::new_bool(case.approved)),
                ("failure".to_owned(), text(case.failure)),
                (
                    "severity".to_owned(),
                    text(case.severity.map_or("", Severity::as_str)),
                ),
                ("confidence".to_owned(), long(i64::from(case.confidence))),
                ("sources".to_owned(), Value::new_set(sources)),
                ("from".to_owned(), long(i64::from(case.from))),
                ("to".to_owned(), long(i64::from(case.to))),
                ("at_risk".to_owned(), long(i64::from(case.at_risk))),
            ]
        });
        let fill = [
            ("{action}", facts.action.replace('_', " ")),
            ("{workload}", workload.short()),
            ("{namespace}", namespace_name.to_owned()),
            ("{principal}", name_of(facts.principal)),
        ];
        let of_case = facts.case.as_ref().map_or_else(Vec::new, |case| {
            vec![
                (
                    "{severity}",
                    case.severity.map_or("", Severity::as_str).to_owned(),
                ),
                ("{failure}", case.failure.replace('_', " ")),
                ("{confidence}", case.confidence.to_string()),
                ("{mode}", case.mode.to_string()),
                ("{from}", case.from.to_string()),
                ("{to}", case.to.to_string()),
                ("{at_risk}", case.at_risk.to_string()),
            ]
        });
        let fill: Vec<_> = fill.into_iter().chain(of_case).collect();
        self.ask(
            facts.principal,
            facts.action,
            resource,
            entities.into(),
            context,
            &fill,
        )
    }

    pub(super) fn try_order(&self, order: &Order<'_>) -> Result<Answer, String> {
        let resource = uid(&TYPES.cluster, order.cluster);
        let action = order.action.map_or("", ActionKind::as_str);
        let mode = order.mode.map_or("", Mode::as_str);
        let namespace = order.namespace.unwrap_or("");
        let text = |text: &str| Value::new_string(text.to_owned());
        let context = vec![
            ("namespace".to_owned(), text(namespace)),
            ("action".to_owned(), text(action)),
            ("mode".to_owned(), text(mode)),
        ];
        let principal = Principal::Person(order.by);
        let fill = [
            ("{action}", order.token.replace('_', " ")),
            ("{workload}", order.cluster.to_owned()),
            ("{namespace}", namespace.to_owned()),
            ("{principal}", name_of(principal)),
            ("{mode}", mode.to_owned()),
        ];
        let entities = vec![CedarEntity::with_uid(resource.clone())];
        self.ask(principal, order.token, resource, entities, context, &fill)
    }

    /// Whether a caller may ask for an operation of the gateway.
    pub(super) fn call(&self, call: &Call<'_>) -> Answer {
        let resource = uid(&TYPES.cluster, "");
        let scopes = call.scopes.into_iter().flatten();
        let context = vec![
            ("by_key".to_owned(), Value::new_bool(call.scopes.is_some())),
            (
                "scopes".to_owned(),
                Value::new_set(scopes.map(|scope| Value::new_string(scope.clone()))),
            ),
            (
                "signed_in_s".to_owned(),
                Value::new_long(i64::try_from(call.signed_in.as_secs()).unwrap_or(i64::MAX)),
            ),
        ];
        let entities = vec![CedarEntity::with_uid(resource.clone())];
        let principal = Principal::Person(call.by);
        self.ask(principal, call.operation, resource, entities, context, &[])
            .unwrap_or_else(|error| failed(&error))
    }

    fn ask(
        &self,
        principal: Principal<'_>,
        action: &str,
        resource: EntityUid,
        mut entities: Vec<CedarEntity>,
        context: Vec<(String, Value)>,
        fill: &[(&str, String)],
    ) -> Result<Answer, String> {
        let who = match principal {
            Principal::Aegis => uid(&TYPES.service, "aegis"),
            Principal::Person(actor) => uid(&TYPES.person, &actor.name),
        };
        let roles: Vec<EntityUid> = match principal {
            Principal::Aegis => Vec::new(),
            Principal::Person(actor) => actor
                .roles
                .iter()
                .map(|role| uid(&TYPES.role, role))
                .collect(),
        };
        entities.extend(roles.iter().cloned().map(CedarEntity::with_uid));
        entities.push(CedarEntity::new_no_attrs(
            who.clone(),
            roles.into_iter().collect(),
        ));
        let entities = Entities::from_entities(entities, Some(&self.schema))
            .map_err(|error| error.to_string())?;
        let context = Context::from_pairs(context).map_err(|error| error.to_string())?;
        let action = uid(&TYPES.action, action);
        let request = Request::new(who, action, resource, context, Some(&self.schema))
            .map_err(|error| error.to_string())?;
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
        if let Some(error) = response
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .min()
        {
            return Err(error);
        }
        // Policies are deciding in no order; ids give one.
        let ids: BTreeSet<String> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        let deciding = ids
            .iter()
            .filter_map(|id| {
                self.told.get(id).map(|told| Said {
                    policy: id.clone(),
                    text: filled(&told.reason, fill),
                    flip: filled(&told.flip, fill),
                })
            })
            .collect();
        Ok(Answer {
            allowed: response.decision() == Decision::Allow,
            deciding,
        })
    }
}

fn source_name(source: EvidenceSource) -> &'static str {
    match source {
        EvidenceSource::Metrics => "metrics",
        EvidenceSource::ObjectState => "object_state",
        EvidenceSource::Change => "change",
        EvidenceSource::Alert => "alert",
    }
}

fn name_of(principal: Principal<'_>) -> String {
    match principal {
        Principal::Aegis => "aegis".to_owned(),
        Principal::Person(actor) => actor.name.clone(),
    }
}

fn filled(text: &str, fill: &[(&str, String)]) -> String {
    fill.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    })
}

/// A question that the policies cannot answer is answered with no.
fn failed(error: &str) -> Answer {
    Answer {
        allowed: false,
        deciding: vec![Said {
            policy: "policy-error".to_owned(),
            text: format!("the policies cannot be asked: {error}"),
            flip: "correct the policy set".to_owned(),
        }],
    }
}

/// A Cedar error with the line that its label points at.
fn invalid(file: &'static str, text: &str, error: &dyn Diagnostic) -> Invalid {
    let offset = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| label.offset());
    let mut reason = error.to_string();
    if let Some(help) = error.help() {
        reason = format!("{reason} ({help})");
    }
    Invalid::new(file, offset.map(|offset| line_of(text, offset)), reason)
}
