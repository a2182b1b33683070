//! The gate: the one function that says whether a receiver may have an item.
//!
//! Preview, release, forward, every later sending and the receiver's own intake ask here, so
//! that who the screen names is who gets it. The gate knows the charter and the policies and
//! nothing else; the time and the item are arguments.
//!
//! Two rules that no Cedar policy can state are asked here as well: the licence of a forward, and the items
//! of other hubs that a draft draws on.

mod question;

use std::collections::BTreeSet;

use testudo_protocol::charter::{Charter, Member};
use testudo_protocol::id::{CharterVersion, Hash, HubId, Timestamp};
use testudo_protocol::label::Class;
use testudo_protocol::licence::Onward;
use testudo_protocol::statement::{Accreditation, CryptoApproval};

use crate::date::Date;
use crate::decision::Decision;
use crate::engine::{Asked, Engine};
use crate::explain::Language;
use crate::marking_table::MarkingTables;
use crate::permit::Allowed;
use crate::prepared::{PrepareError, Prepared};
use crate::request::{Assessment, Context, Peer};
use crate::vocabulary::{Action, Channel, Level};

pub use question::{Question, Source};

#[cfg(all(feature = "ungated", not(debug_assertions)))]
compile_error!("the feature `ungated` turns the gate off and is for the canary test alone");

/// What the authorities have approved for this deployment; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    /// How high the deployment may go.
    pub accreditation: Option<Accreditation>,
    /// How high a cipher suite may go.
    pub crypto: Option<CryptoApproval>,
    /// Where to go with what is higher, in the words of the operator's authority.
    pub channel: Option<String>,
}

/// The gate of one hub under one charter and one set of policies.
pub struct Gate {
    engine: Engine,
    prepared: Prepared,
    charter: Charter,
    policies: Hash,
    approvals: Approvals,
    /// Denies everything, because the policies that were agreed are not installed here.
    is_closed: bool,
}

/// Why a gate cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The members agreed on another baseline.
    #[error("charter names baseline policies {agreed}, this hub has {ours}; install the agreed bundle")]
    OtherBaseline {
        /// What the charter names.
        agreed: Hash,
        /// What is installed.
        ours: Hash,
    },
    /// The members cannot be asked about.
    #[error("charter members do not fit the policy schema")]
    Members(#[from] PrepareError),
    /// A member's accreditation or agreement reaches to no level that there is.
    #[error("level of member {code} is not one of 0 to 6")]
    Vocabulary {
        /// Whose.
        code: HubId,
    },
}

/// The rules about the charter itself: past its validity, and forked.
const CHARTER_RULES: [&str; 2] = ["R-01c", "R-01d"];

/// Policies that are not in force, to be looked through: it answers, and can allow nothing.
pub struct Trial(Gate);

/// The gate's answer.
#[derive(Debug)]
pub enum Answer {
    /// May receive.
    Allowed(Allowed),
    /// May not.
    Denied(Denied),
}

/// A denial: an outcome with reasons, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    rules: Vec<String>,
    failed: Vec<String>,
}

impl Denied {
    /// Rule id where no rule permits and none forbids.
    pub const DEFAULT: &'static str = "default";
    /// Rule id where a policy could not be evaluated.
    pub const ERROR: &'static str = "error";

    /// The ids of every rule that denies, never empty.
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Whether nothing but the state of the charter speaks against it, which passes: expired, stale or forked.
    pub fn is_of_the_charter_alone(&self) -> bool {
        self.failed.is_empty()
            && self
                .rules
                .iter()
                .all(|rule| CHARTER_RULES.contains(&rule.as_str()))
    }

    /// The ids of the policies that could not be evaluated: an operator has to look at them.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// What the policies say, and the rules that no policy states.
    fn joined(decision: &Decision, more: &[&str]) -> Self {
        let denies = !decision.is_permit();
        let mut rules = if denies {
            decision.rules().to_vec()
        } else {
            Vec::new()
        };
        rules.extend(more.iter().map(|rule| (*rule).to_owned()));
        rules.sort();
        if !decision.errors().is_empty() {
            rules.push(Self::ERROR.to_owned());
        }
        if rules.is_empty() {
            rules.push(Self::DEFAULT.to_owned());
        }
        Self {
            rules,
            failed: decision.failed().to_vec(),
        }
    }
}

/// What the originator of an item has said about one forward of it.
#[derive(Clone, Copy)]
struct Leave {
    /// It consents to this receiver.
    consented: bool,
    /// Its licence does not stand against it.
    licensed: bool,
}

/// What the policies and the originator say together.
struct Ruling {
    decision: Decision,
    leave: Leave,
}

impl Ruling {
    fn permits(&self) -> bool {
        self.decision.is_permit() && self.leave.licensed
    }
}

/// Rule id of a forward outside the item's licence.
const LICENCE: &str = "R-22";

/// Rule id of a draft for somebody who may not have what it draws on.
const SOURCES: &str = "R-18";

impl Gate {
    /// Sets up the gate.
    ///
    /// # Errors
    /// [`GateError`] if the installed baseline is not the one that the charter names.
    pub fn new(engine: Engine, charter: Charter) -> Result<Self, GateError> {
        let ours = Hash::new(*engine.baseline_hash().as_bytes());
        if ours != charter.policies() {
            return Err(GateError::OtherBaseline {
                agreed: charter.policies(),
                ours,
            });
        }
        Self::assemble(engine, charter)
    }

    fn assemble(engine: Engine, charter: Charter) -> Result<Self, GateError> {
        let peers: Result<Vec<Peer>, GateError> =
            charter.members().map(|member| peer(&charter, member)).collect();
        let prepared = engine.prepare(&peers?)?;
        let policies = Hash::new(*engine.policy_hash().as_bytes());
        Ok(Self {
            engine,
            prepared,
            charter,
            policies,
            approvals: Approvals::default(),
            is_closed: false,
        })
    }

    /// The same policies and approvals under another charter.
    ///
    /// # Errors
    /// [`GateError`] as for [`Self::new`]: the gate at hand stays as it is.
    pub fn under(&self, charter: Charter) -> Result<Self, GateError> {
        Ok(Self::new(self.engine.clone(), charter)?.with_approvals(self.approvals.clone()))
    }

    /// A gate that lets nothing through, for a charter whose policies are not installed here: standings count all the
    /// same, and nothing is decided by other policies than the members have agreed on.
    ///
    /// # Errors
    /// [`GateError`] if the members do not fit the policies.
    pub fn closed_under(&self, charter: Charter) -> Result<Self, GateError> {
        let gate = Self::assemble(self.engine.clone(), charter)?.with_approvals(self.approvals.clone());
        Ok(Self {
            is_closed: true,
            ..gate
        })
    }

    /// The same charter, about which newer heartbeats have come; anything else in it is left alone.
    pub fn refresh(&mut self, charter: Charter) {
        if charter.fingerprint() == self.charter.fingerprint() {
            self.charter = charter;
        }
    }

    /// The same gate of a deployment for which something has been approved.
    #[must_use]
    pub fn with_approvals(self, approvals: Approvals) -> Self {
        Self { approvals, ..self }
    }

    /// What has been approved.
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// The highest level that this deployment may create, store or relay now.
    pub fn ceiling(&self, now: Timestamp) -> Level {
        let accreditation = self.approvals.accreditation.as_ref();
        accreditation.map_or(Level::UNACCREDITED_MAX, |statement| statement.ceiling(now))
    }

    /// The highest level for which the cipher suite in use is approved now.
    fn crypto_level(&self, now: Timestamp) -> Level {
        let approval = self.approvals.crypto.as_ref();
        approval.map_or(Level::UNACCREDITED_MAX, |approval| {
            approval.level(u8::from(self.charter.writes()), now)
        })
    }

    /// The charter it asks under.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The version of that charter.
    pub fn charter_version(&self) -> CharterVersion {
        self.charter.version()
    }

    /// The hash of all policies it asks.
    pub fn policies(&self) -> Hash {
        self.policies
    }

    /// Asks for one receiver: charter, label, licence, sources, baseline and the acting hub's national policy.
    pub fn ask(&self, question: &Question<'_>, receiver: HubId) -> Answer {
        let ruling = self.rule(question, receiver, Asked::Sending);
        self.answer(
            question,
            receiver,
            &ruling,
            self.sources_go_to(question, receiver),
        )
    }

    /// Asks for many receivers at once: the same answers as [`Self::ask`], one evaluation for all receivers
    /// that the policies cannot tell apart.
    pub fn ask_each(&self, question: &Question<'_>, receivers: &[HubId]) -> Vec<Answer> {
        let mut is_free = vec![true; receivers.len()];
        for source in question.sources {
            let onward = |receiver| source.onward(question.sender, receiver, question.now);
            let rulings = self.rule_each(&onward(question.sender), receivers, onward);
            for ((free, receiver), ruling) in is_free.iter_mut().zip(receivers).zip(rulings) {
                *free &= *receiver == source.originator || ruling.permits();
            }
        }
        let rulings = self.rule_each(question, receivers, |_| question.clone());
        (receivers.iter().zip(rulings).zip(is_free))
            .map(|((receiver, ruling), is_free)| self.answer(question, *receiver, &ruling, is_free))
            .collect()
    }

    /// Rules for each receiver. Whom the originator has consented to is asked about alone: consent changes the
    /// item for its recipient.
    fn rule_each<'q>(
        &self,
        shared: &Question<'_>,
        receivers: &[HubId],
        of: impl Fn(HubId) -> Question<'q>,
    ) -> Vec<Ruling> {
        let item = self
            .prepared
            .item(&self.assessment(shared, None), &self.context(shared));
        let rule = |receiver: &HubId| {
            let question = of(*receiver);
            let leave = self.leave(&question, *receiver);
            let decision = if leave.consented {
                self.decide(&question, *receiver, leave, Asked::Sending)
            } else {
                item.decide(question.action, receiver.as_str(), Asked::Sending)
            };
            Ruling { decision, leave }
        };
        receivers.iter().map(rule).collect()
    }

    fn rule(&self, question: &Question<'_>, receiver: HubId, asked: Asked) -> Ruling {
        let leave = self.leave(question, receiver);
        let decision = self.decide(question, receiver, leave, asked);
        Ruling { decision, leave }
    }

    /// Whether a receiver may have everything that an item draws on, whatever the item's own label says.
    pub fn sources_go_to(&self, question: &Question<'_>, receiver: HubId) -> bool {
        question.sources.iter().all(|source| {
            let onward = source.onward(question.sender, receiver, question.now);
            receiver == source.originator || self.rule(&onward, receiver, Asked::Sending).permits()
        })
    }

    /// The denials among the answers to many receivers, in their order; nobody is allowed anything by this.
    pub fn verdicts(&self, question: &Question<'_>, receivers: &[HubId]) -> Vec<Option<Denied>> {
        let answers = self.ask_each(question, receivers).into_iter();
        answers
            .map(|answer| match answer {
                Answer::Allowed(_) => None,
                Answer::Denied(denied) => Some(denied),
            })
            .collect()
    }

    /// What the markings of all authorities mean.
    pub fn markings(&self) -> &MarkingTables {
        self.engine.markings()
    }

    fn answer(&self, question: &Question<'_>, receiver: HubId, ruling: &Ruling, is_free: bool) -> Answer {
        let decision = &ruling.decision;
        let outside = [
            (!is_free).then_some(SOURCES),
            (!ruling.leave.licensed).then_some(LICENCE),
        ];
        let outside: Vec<&str> = outside.into_iter().flatten().collect();
        // The demonstration that the canary check works needs a hub whose gate is off; such a
        // build calls itself `testudo-ungated` and cannot be made in release.
        if (decision.is_permit() && outside.is_empty()) || cfg!(feature = "ungated") {
            return Answer::Allowed(Allowed::new(
                question,
                receiver,
                (self.charter.version(), self.charter.fingerprint()),
                self.policies,
                decision.rules().to_vec(),
            ));
        }
        Answer::Denied(Denied::joined(decision, &outside))
    }

    /// Asks this hub's own intake policy about an item that has arrived.
    ///
    /// # Errors
    /// [`Denied`] with the intake rules, which never leave this hub.
    pub fn ask_intake(&self, question: &Question<'_>, receiver: HubId) -> Result<(), Denied> {
        let decision = self.rule(question, receiver, Asked::Intake).decision;
        if decision.is_permit() {
            Ok(())
        } else {
            Err(Denied::joined(&decision, &[]))
        }
    }

    /// A sentence for people for each rule.
    pub fn sentences(&self, rules: &[String], language: Language) -> Vec<String> {
        rules
            .iter()
            .map(|rule| self.engine.sentence(rule, language))
            .collect()
    }

    fn decide(&self, question: &Question<'_>, receiver: HubId, leave: Leave, asked: Asked) -> Decision {
        let consented = leave.consented.then_some(receiver);
        let assessment = self.assessment(question, consented);
        let context = self.context(question);
        self.prepared
            .decide(question.action, receiver.as_str(), &assessment, &context, asked)
    }

    fn assessment(&self, question: &Question<'_>, consented: Option<HubId>) -> Assessment {
        let label = question.label;
        let codes = |hubs: &BTreeSet<HubId>| hubs.iter().map(HubId::to_string).collect::<BTreeSet<_>>();
        let mut rel_to = codes(&label.rel_to);
        // policy.md: for `forward` the peer with a verified consent joins both sets for this decision.
        let consent: BTreeSet<String> = consented.iter().map(HubId::to_string).collect();
        rel_to.extend(consent.iter().cloned());
        Assessment {
            originator: question.originator.to_string(),
            label_ok: label.check().is_ok() && self.is_marking_kept(question),
            level: label.level,
            tlp: label.tlp,
            scope: label.scope,
            rel_to,
            rel_to_classes: label.rel_to_classes.clone(),
            not_to: codes(&label.not_to),
            communities: label.communities.clone(),
            caveats: label.caveats.clone(),
            consent,
            exercise: label.exercise.clone(),
            personal: label.personal,
            // An instant that cannot be told has passed.
            expires_at: i64::try_from(label.expires_at).unwrap_or(1),
            obligations: label.obligations.clone(),
        }
    }

    /// Whether the label is as high as its own national marking, as of the day of the item.
    fn is_marking_kept(&self, question: &Question<'_>) -> bool {
        let date = Date::of_unix_seconds(question.created.seconds());
        self.engine.markings().check(question.label, date).is_ok()
    }

    /// What the originator has said about this forward: by a token, or in advance by its licence.
    fn leave(&self, question: &Question<'_>, receiver: HubId) -> Leave {
        let (consented, licensed) = match (question.action, self.onward(question, receiver)) {
            (Action::Forward, Onward::Granted) => (true, true),
            (Action::Forward, Onward::AsLabelled) => (self.has_token(question, receiver), true),
            (Action::Forward, Onward::WithToken) => {
                let has_token = self.has_token(question, receiver);
                (has_token, has_token)
            }
            (Action::Forward, Onward::Never) => (false, false),
            _ => (false, true),
        };
        Leave { consented, licensed }
    }

    /// Whether a verified token is for this sender and this receiver.
    fn has_token(&self, question: &Question<'_>, receiver: HubId) -> bool {
        question.consent.is_some_and(|token| {
            token.fields().holder == question.sender
                && token.fields().recipient == receiver
                && token
                    .verify(&self.charter, &question.subject(), receiver, question.now)
                    .is_ok()
        })
    }

    /// What the licence says about one receiver; a hub that is no member is in none.
    fn onward(&self, question: &Question<'_>, receiver: HubId) -> Onward {
        let class: Option<Class> = self.charter.member(receiver).map(|member| member.class);
        class.map_or(Onward::Never, |class| {
            question.licence.about(receiver, class, question.now)
        })
    }

    fn context(&self, question: &Question<'_>) -> Context {
        let live = self.charter.realm().is_live();
        Context {
            sender: question.sender.to_string(),
            now: i64::try_from(question.now.seconds()).unwrap_or(i64::MAX),
            charter_fresh: !self.is_closed && self.charter.is_fresh(question.now),
            charter_forked: self.charter.is_forked(),
            channel: if live { Channel::Live } else { Channel::Exercise },
            crypto_level: self.crypto_level(question.now),
            purpose: question.purpose.to_owned(),
            priority: "routine".to_owned(),
        }
    }
}

impl Trial {
    /// Sets up policies beside those in force, also with another baseline than the charter names.
    ///
    /// # Errors
    /// [`GateError`] if the members do not fit the policies.
    pub fn new(engine: Engine, charter: Charter) -> Result<Self, GateError> {
        Gate::assemble(engine, charter).map(Self)
    }

    /// The hash of all its policies.
    pub fn policies(&self) -> Hash {
        self.0.policies
    }

    /// The denials among the answers to many receivers, in their order.
    pub fn verdicts(&self, question: &Question<'_>, receivers: &[HubId]) -> Vec<Option<Denied>> {
        self.0.verdicts(question, receivers)
    }
}

fn peer(charter: &Charter, member: &Member) -> Result<Peer, GateError> {
    let code = member.code;
    let unknown = || GateError::Vocabulary { code };
    let level = |value: u8| Level::try_from(i64::from(value)).map_err(|_| unknown());
    let tags: Result<_, GateError> = member
        .tags
        .iter()
        .map(|(originator, value)| Ok((originator.to_string(), level(*value)?)))
        .collect();
    Ok(Peer {
        code: code.to_string(),
        cls: member.class,
        status: member.status,
        eu_member: member.eu_member,
        accredited_level: level(member.accredited_level)?,
        soi_level: level(member.soi_level)?,
        active_sponsors: u32::try_from(charter.active_sponsors(member)).unwrap_or(u32::MAX),
        transfer_basis: member.transfer_basis,
        communities: member.communities.clone(),
        exercises: member.exercises.clone(),
        caps: member.caps.clone(),
        tags: tags?,
    })
}
