//! Loading one layer: policies named by their rule id, validated in strict mode, or refused.
//!
//! A policy that does not validate is never activated, because Cedar skips a policy that fails to
//! evaluate, a prohibition too. Validation is with a dereference level, which also bounds the
//! entities that one decision needs: receiver, sender, item and originator.

use std::collections::BTreeMap;

use cedar_policy::{
    CedarSchemaError, ParseErrors, Policy, PolicyId, PolicySet, PolicySetError, Schema, ValidationError,
    ValidationMode, Validator,
};

use crate::distinctions::Distinctions;
use crate::layers::{Layer, LayerSource, Layers, PolicyFile};
use crate::marking_table::TableError;

/// `resource.originator.status` is two steps from the request; no policy may look further.
const DEREFERENCE_LEVEL_MAX: u32 = 2;

/// Why a set of policy files is not activated.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The schema is not a Cedar schema.
    #[error("read schema `{file}`")]
    Schema {
        /// Name of the file.
        file: String,
        /// What Cedar found.
        #[source]
        source: Box<CedarSchemaError>,
    },
    /// A file is not UTF-8 text.
    #[error("read policy file `{file}`: it is not UTF-8 text")]
    NotText {
        /// Folder and name of the file.
        file: String,
    },
    /// A file is not Cedar.
    #[error("parse policy file `{file}`")]
    Parse {
        /// Folder and name of the file.
        file: String,
        /// What Cedar found.
        #[source]
        source: Box<ParseErrors>,
    },
    /// A file holds a template, which decides nothing until it is linked.
    #[error("policy file `{file}` holds a template, only complete policies are accepted")]
    Template {
        /// Folder and name of the file.
        file: String,
    },
    /// A policy has an empty `@id`, or a baseline policy has none.
    #[error("policy {position} in `{file}` has no rule id, add an `@id(\"..\")` annotation")]
    NoRuleId {
        /// Folder and name of the file.
        file: String,
        /// Position of the policy in its file, from 1.
        position: usize,
    },
    /// A baseline policy does not say what it means or what it rests on.
    #[error("rule `{rule}` in `{file}` has no `@{annotation}(\"..\")` annotation")]
    NoAnnotation {
        /// Folder and name of the file.
        file: String,
        /// The rule id.
        rule: String,
        /// The annotation that is absent or empty.
        annotation: &'static str,
    },
    /// Two policies claim one rule id.
    #[error("rule id `{rule}` is in `{first}` and again in `{second}`")]
    DuplicateRule {
        /// The rule id.
        rule: String,
        /// The file that was read first.
        first: String,
        /// The file that repeats it.
        second: String,
    },
    /// A policy does not validate against the schema.
    #[error("validate rule `{rule}` in `{file}`")]
    Invalid {
        /// Folder and name of the file.
        file: String,
        /// The rule id.
        rule: String,
        /// What Cedar found first.
        #[source]
        source: Box<ValidationError>,
    },
    /// Cedar refuses to add a policy to the set.
    #[error("add rule `{rule}` of `{file}` to its layer")]
    Add {
        /// Folder and name of the file.
        file: String,
        /// The rule id.
        rule: String,
        /// What Cedar found.
        #[source]
        source: Box<PolicySetError>,
    },
    /// The compiled-in names of entity types are not Cedar names.
    #[error("parse the names of the entity types")]
    Names {
        /// What Cedar found.
        #[source]
        source: Box<ParseErrors>,
    },
    /// A marking table is not accepted.
    #[error(transparent)]
    Markings(#[from] TableError),
    /// A compiled-in file of sentences is not Fluent.
    #[error("read the `{language}` sentences: {what}")]
    Sentences {
        /// Code of the language.
        language: &'static str,
        /// What the parser found.
        what: String,
    },
}

/// What is known about one loaded rule, beside its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The layer it belongs to.
    pub layer: Layer,
    /// Folder and name of its file.
    pub file: String,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// Law, standard or charter clause that it rests on; empty if the file names none.
    pub basis: String,
    /// Sentence for people, by the name of the annotation: `reason`, `reason_fr`, `reason_de`.
    pub(crate) sentences: BTreeMap<String, String>,
}

/// One layer, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) enum PolicyLayer {
    /// Validated policies, each named by its rule id.
    Ready(Box<PolicySet>),
    /// There is nothing to ask, for this reason: everything is denied.
    Closed(String),
}

/// All layers of one load, with what is known about their rules.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) schema: Schema,
    pub(crate) layers: BTreeMap<Layer, PolicyLayer>,
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) warnings: Vec<String>,
    /// Whom the policies of all layers tell apart.
    pub(crate) distinctions: Distinctions,
}

/// Loads the schema and every layer.
///
/// # Errors
/// [`LoadError`] for the first file that is not accepted; nothing of the load is then used.
pub(crate) fn load(layers: &Layers) -> Result<Loaded, LoadError> {
    let file = &layers.schema.name;
    let text = text(&layers.schema, file)?;
    let (schema, schema_warnings) =
        Schema::from_cedarschema_str(text).map_err(|source| LoadError::Schema {
            file: file.clone(),
            source: Box::new(source),
        })?;

    let mut loading = Loading {
        validator: Validator::new(schema.clone()),
        rules: BTreeMap::new(),
        warnings: schema_warnings
            .map(|warning| format!("{file}: {warning}"))
            .collect(),
        distinctions: Distinctions::default(),
    };
    let mut loaded = BTreeMap::new();
    for (layer, source) in layers.sources() {
        loaded.insert(layer, loading.layer(layer, source)?);
    }
    Ok(Loaded {
        schema,
        layers: loaded,
        rules: loading.rules,
        warnings: loading.warnings,
        distinctions: loading.distinctions,
    })
}

/// A load under way; rule ids are unique across all of its layers.
struct Loading {
    validator: Validator,
    rules: BTreeMap<String, Rule>,
    warnings: Vec<String>,
    distinctions: Distinctions,
}

impl Loading {
    fn layer(&mut self, layer: Layer, source: &LayerSource) -> Result<PolicyLayer, LoadError> {
        let files = match source {
            LayerSource::Files(files) => files,
            LayerSource::Unreadable(reason) => {
                return Ok(PolicyLayer::Closed(format!(
                    "policies are unreadable, nothing is released: {reason}"
                )));
            }
        };
        // In the order of names, so that of two duplicates always the same one is called the first.
        let mut files: Vec<&PolicyFile> = files.iter().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));

        let mut set = PolicySet::new();
        for file in files {
            self.file(layer, file, &mut set)?;
        }
        if set.is_empty() {
            return Ok(PolicyLayer::Closed(
                "policy set is empty, nothing is released".to_owned(),
            ));
        }
        Ok(PolicyLayer::Ready(Box::new(set)))
    }

    fn file(&mut self, layer: Layer, file: &PolicyFile, set: &mut PolicySet) -> Result<(), LoadError> {
        let path = format!("{layer}/{}", file.name);
        let parsed: PolicySet = text(file, &path)?.parse().map_err(|source| LoadError::Parse {
            file: path.clone(),
            source: Box::new(source),
        })?;
        if parsed.templates().next().is_some() {
            return Err(LoadError::Template { file: path });
        }
        for (position, policy) in in_file_order(&parsed) {
            let rule = rule_id(layer, &path, position, policy)?;
            self.register(&rule, describe(layer, &path, &rule, policy)?)?;
            let policy = policy.new_id(PolicyId::new(&rule));
            self.validate(&path, &rule, &policy)?;
            self.distinctions.take_in(&policy);
            set.add(policy)
                .map_err(|source| add_error(&path, &rule, source))?;
        }
        Ok(())
    }

    fn register(&mut self, id: &str, rule: Rule) -> Result<(), LoadError> {
        if let Some(known) = self.rules.get(id) {
            return Err(LoadError::DuplicateRule {
                rule: id.to_owned(),
                first: known.file.clone(),
                second: rule.file,
            });
        }
        self.rules.insert(id.to_owned(), rule);
        Ok(())
    }

    /// One policy at a time, so that an error is told with its file.
    fn validate(&mut self, file: &str, rule: &str, policy: &Policy) -> Result<(), LoadError> {
        let alone =
            PolicySet::from_policies([policy.clone()]).map_err(|source| add_error(file, rule, source))?;
        let result =
            self.validator
                .validate_with_level(&alone, ValidationMode::Strict, DEREFERENCE_LEVEL_MAX);
        if let Some(error) = result.validation_errors().next() {
            return Err(LoadError::Invalid {
                file: file.to_owned(),
                rule: rule.to_owned(),
                source: Box::new(error.clone()),
            });
        }
        self.warnings.extend(
            result
                .validation_warnings()
                .map(|warning| format!("{file}: {warning}")),
        );
        Ok(())
    }
}

fn text<'a>(file: &'a PolicyFile, path: &str) -> Result<&'a str, LoadError> {
    std::str::from_utf8(&file.bytes).map_err(|_| LoadError::NotText {
        file: path.to_owned(),
    })
}

fn add_error(file: &str, rule: &str, source: PolicySetError) -> LoadError {
    LoadError::Add {
        file: file.to_owned(),
        rule: rule.to_owned(),
        source: Box::new(source),
    }
}

/// The parser numbers policies `policy0`, `policy1`, .. and hands them out unordered.
fn in_file_order(parsed: &PolicySet) -> Vec<(usize, &Policy)> {
    let number = |policy: &Policy| {
        policy
            .id()
            .to_string()
            .trim_start_matches("policy")
            .parse::<usize>()
            .unwrap_or(usize::MAX)
    };
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    policies.sort_by_key(|policy| number(policy));
    policies
        .into_iter()
        .enumerate()
        .map(|(index, policy)| (index + 1, policy))
        .collect()
}

/// The `@id` of a policy. A country may leave it out; its policy is then named by file and position.
fn rule_id(layer: Layer, file: &str, position: usize, policy: &Policy) -> Result<String, LoadError> {
    match policy.annotation("id").map(str::trim) {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        None if layer != Layer::Baseline => Ok(format!("{file}#{position}")),
        _ => Err(LoadError::NoRuleId {
            file: file.to_owned(),
            position,
        }),
    }
}

fn describe(layer: Layer, file: &str, rule: &str, policy: &Policy) -> Result<Rule, LoadError> {
    if layer == Layer::Baseline {
        for annotation in ["reason", "basis"] {
            if policy
                .annotation(annotation)
                .is_none_or(|text| text.trim().is_empty())
            {
                return Err(LoadError::NoAnnotation {
                    file: file.to_owned(),
                    rule: rule.to_owned(),
                    annotation,
                });
            }
        }
    }
    Ok(Rule {
        layer,
        file: file.to_owned(),
        forbids: policy.effect() == cedar_policy::Effect::Forbid,
        basis: policy.annotation("basis").unwrap_or_default().to_owned(),
        sentences: policy
            .annotations()
            .filter(|(name, text)| name.starts_with("reason") && !text.trim().is_empty())
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
    })
}
