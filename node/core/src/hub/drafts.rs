//! Drafts that are kept for a second person: made, put up for review, approved or refused, released.
//!
//! ```text
//! keep (durable) --review--> in review --approve, by another person, of one preview--> approved --release--> item
//! ```
//!
//! An approval names the preview that it was given for. Releasing asks everything anew and stops if that preview would
//! differ by now. A version cut down from an item of our own goes out in no other way (R-21).

use testudo_policies::date::Date;
use testudo_policies::explain::Language;
use testudo_protocol::bundle::{Sanitised, sanitise};
use testudo_protocol::id::{DraftId, Hash, ItemId, ItemRef, Timestamp};

use super::release::Job;
use super::step::{After, Step};
use super::{Hub, Loading};
use crate::draft_record::{Derived, DraftRecord, DraftState, Verdict};
use crate::input::{CommandId, Draft, KeepDraft, LoadId, ReleaseCommand};
use crate::output::{Family, Output};
use crate::person::Person;
use crate::records::{ItemState, key};
use crate::refusal::Refusal;
use crate::views::{DraftView, Preview, Reply};

/// Drafts that may be kept at once.
const DRAFTS_MAX: usize = 256;

/// What is to be done with a draft once its bundle has been read.
pub(super) struct DraftRequest {
    command: CommandId,
    act: DraftAct,
}

enum DraftAct {
    /// Make one from an item of our own, whose body is read.
    Derive(Box<KeepDraft>, ItemRef),
    /// Approve what a preview showed.
    Approve {
        draft: DraftId,
        preview: Hash,
        person: Person,
    },
    /// Release it.
    Release { draft: DraftId, preview: Hash },
}

/// That a second person has approved a draft. Made only by [`Hub::on_draft_loaded`], from a record that says so.
pub(super) struct Approved {
    pub(super) draft: DraftId,
    pub(super) maker: Person,
    pub(super) approver: Person,
}

impl Hub {
    /// Keeps a draft, made here or cut down from an item of our own.
    pub(super) fn keep_draft(
        &mut self,
        command: CommandId,
        wanted: Box<KeepDraft>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.drafts.len() >= DRAFTS_MAX {
            return Err(Refusal::TooManyDrafts { max: DRAFTS_MAX });
        }
        let Some(from) = &wanted.from else {
            return self.store_draft(command, *wanted, None, out);
        };
        let version = self.own(from.item)?;
        let item = ItemRef {
            item: from.item,
            version,
        };
        if self
            .items
            .get(&item)
            .is_some_and(|record| record.state == ItemState::Expired)
        {
            return Err(Refusal::Withdrawn { item: item.item });
        }
        self.load_draft(command, DraftAct::Derive(wanted, item), key::item(item), out);
        Ok(())
    }

    fn load_draft(&mut self, command: CommandId, act: DraftAct, row: Vec<u8>, out: &mut Vec<Output>) {
        let load = LoadId(self.next_id());
        let request = Box::new(DraftRequest { command, act });
        self.loading.insert(load, Loading::Draft(request));
        out.push(Output::Load(load, Family::Body, row));
    }

    /// Approves a draft by a second person, for exactly what a preview showed.
    pub(super) fn approve_draft(
        &mut self,
        command: CommandId,
        (draft, preview, person): (DraftId, Hash, Person),
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let record = self.draft(draft)?;
        if !matches!(record.state, DraftState::InReview | DraftState::Approved) {
            return Err(Refusal::DraftState {
                state: record.state.as_str(),
                wanted: "in review",
            });
        }
        if record.maker == person {
            return Err(Refusal::OwnDraft);
        }
        let row = key::draft_bundle(draft);
        let act = DraftAct::Approve {
            draft,
            preview,
            person,
        };
        self.load_draft(command, act, row, out);
        Ok(())
    }

    /// Puts a draft up for review, or refuses it.
    pub(super) fn move_draft(
        &mut self,
        command: CommandId,
        (draft, to): (DraftId, DraftState),
        person: Person,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let mut record = self.draft(draft)?.clone();
        let wanted = if to == DraftState::InReview {
            DraftState::Draft
        } else {
            DraftState::InReview
        };
        if record.state != wanted {
            return Err(Refusal::DraftState {
                state: record.state.as_str(),
                wanted: wanted.as_str(),
            });
        }
        record.state = to;
        if to == DraftState::Refused {
            record.verdict = Some(Verdict {
                person,
                time: self.now,
                preview: None,
            });
        }
        self.commit_draft(command, record, out)
    }

    fn commit_draft(
        &mut self,
        command: CommandId,
        record: DraftRecord,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let mut step = Step::default();
        step.put(Family::Body, key::draft(record.id), &record)?;
        step.then(After::Reply(
            command,
            Reply::Drafted {
                draft: record.id,
                state: record.state.as_str().to_owned(),
            },
        ));
        self.drafts.insert(record.id, record);
        self.commit(step, out);
        Ok(())
    }

    /// Throws a draft away, bundle and all.
    pub(super) fn discard_draft(
        &mut self,
        command: CommandId,
        draft: DraftId,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.draft(draft)?;
        let mut step = Step::default();
        self.forget_draft(&mut step, draft);
        step.then(After::Reply(
            command,
            Reply::Drafted {
                draft,
                state: "discarded".to_owned(),
            },
        ));
        self.commit(step, out);
        Ok(())
    }

    pub(super) fn forget_draft(&mut self, step: &mut Step, draft: DraftId) {
        step.erase(Family::Body, key::draft(draft));
        step.erase(Family::Body, key::draft_bundle(draft));
        self.drafts.remove(&draft);
    }

    /// Throws away what was made from an item that is erased.
    pub(super) fn forget_drafts_of(&mut self, step: &mut Step, item: ItemId) {
        let of = |draft: &&DraftRecord| {
            let derived = draft.derived.as_ref().map(|derived| derived.from.item);
            draft.corrects == Some(item) || derived == Some(item)
        };
        let made: Vec<DraftId> = self.drafts.values().filter(of).map(|draft| draft.id).collect();
        for draft in made {
            self.forget_draft(step, draft);
        }
    }

    /// Releases a draft under the preview that was approved.
    pub(super) fn release_draft(
        &mut self,
        command: CommandId,
        (draft, preview): (DraftId, Hash),
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let record = self.draft(draft)?;
        if record.state != DraftState::Approved {
            return Err(Refusal::DraftState {
                state: record.state.as_str(),
                wanted: DraftState::Approved.as_str(),
            });
        }
        let row = key::draft_bundle(draft);
        self.load_draft(command, DraftAct::Release { draft, preview }, row, out);
        Ok(())
    }

    pub(super) fn on_draft_loaded(
        &mut self,
        request: DraftRequest,
        row: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) {
        let DraftRequest { command, act } = request;
        let done = match (act, row) {
            (DraftAct::Derive(wanted, from), Some(row)) => self.derive(command, *wanted, from, &row, out),
            (DraftAct::Derive(_, from), None) => Err(Refusal::Withdrawn { item: from.item }),
            (
                DraftAct::Approve {
                    draft,
                    preview,
                    person,
                },
                Some(bundle),
            ) => self.approve(command, (draft, bundle), preview, person, out),
            (DraftAct::Release { draft, preview }, Some(bundle)) => {
                self.release_approved(command, (draft, bundle), preview, out)
            }
            (DraftAct::Approve { draft, .. } | DraftAct::Release { draft, .. }, None) => {
                Err(Refusal::NoSuchDraft { draft })
            }
        };
        if let Err(refusal) = done {
            out.push(Output::Reply(command, Err(refusal)));
        }
    }

    fn derive(
        &mut self,
        command: CommandId,
        mut wanted: KeepDraft,
        from: ItemRef,
        row: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let bundle = super::read::bundle_of(row).ok_or(Refusal::Internal {
            what: "a stored body cannot be read",
        })?;
        let cut = wanted.from.take().map(|from| from.cut).unwrap_or_default();
        let sanitised = Sanitised {
            cut: &cut,
            tlp: wanted.draft.label.tlp,
            id: &bundle_id(self.entropy.bytes16()),
            modified: &stix_time(self.now),
        };
        wanted.draft.bundle = sanitise(&bundle, &sanitised).map_err(Refusal::Cut)?;
        // The next version of the same item needs no derivation: it supersedes what it was made from.
        let derived = wanted.draft.corrects.is_none().then_some(Derived { from, cut });
        self.store_draft(command, wanted, derived, out)
    }

    fn store_draft(
        &mut self,
        command: CommandId,
        wanted: KeepDraft,
        derived: Option<Derived>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let KeepDraft {
            mut draft, person, ..
        } = wanted;
        draft.derived = derived;
        // What could be released to nobody as it is, is told at once and not kept.
        let Draft {
            bundle,
            label,
            licence,
            purpose,
            corrects,
            derived,
            attachments: _,
        } = self.propose(draft)?.draft;
        let record = DraftRecord {
            id: DraftId::new(self.entropy.bytes16()),
            maker: person,
            made: self.now,
            state: DraftState::Draft,
            verdict: None,
            label,
            licence,
            purpose,
            corrects,
            derived,
        };
        let mut step = Step::default();
        step.put_bytes(Family::Body, key::draft_bundle(record.id), bundle);
        step.put(Family::Body, key::draft(record.id), &record)?;
        step.then(After::Reply(
            command,
            Reply::Drafted {
                draft: record.id,
                state: record.state.as_str().to_owned(),
            },
        ));
        self.drafts.insert(record.id, record);
        self.commit(step, out);
        Ok(())
    }

    fn approve(
        &mut self,
        command: CommandId,
        (draft, bundle): (DraftId, Vec<u8>),
        preview: Hash,
        person: Person,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let mut record = self.draft(draft)?.clone();
        if self.preview(written(&record, bundle), Language::English)?.hash != preview {
            return Err(Refusal::PreviewChanged);
        }
        record.state = DraftState::Approved;
        record.verdict = Some(Verdict {
            person,
            time: self.now,
            preview: Some(preview),
        });
        self.commit_draft(command, record, out)
    }

    fn release_approved(
        &mut self,
        command: CommandId,
        (draft, bundle): (DraftId, Vec<u8>),
        preview: Hash,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let record = self.draft(draft)?;
        let verdict = record
            .verdict
            .as_ref()
            .filter(|verdict| record.state == DraftState::Approved && verdict.preview == Some(preview))
            .ok_or(Refusal::PreviewChanged)?;
        let approved = Approved {
            draft,
            maker: record.maker.clone(),
            approver: verdict.person.clone(),
        };
        let release = ReleaseCommand {
            draft: written(record, bundle),
            preview,
        };
        self.enqueue(
            Job::Release(command, Box::new(release), Some(Box::new(approved))),
            out,
        )
    }

    fn draft(&self, draft: DraftId) -> Result<&DraftRecord, Refusal> {
        self.drafts.get(&draft).ok_or(Refusal::NoSuchDraft { draft })
    }

    /// Who would get a kept draft, from its record here and its bundle in the row of [`Self::draft_row`].
    ///
    /// # Errors
    /// [`Refusal`] if there is no such draft, or it could not be released to anybody as it is by now.
    pub fn preview_draft(
        &self,
        draft: DraftId,
        bundle: Option<Vec<u8>>,
        language: Language,
    ) -> Result<Preview, Refusal> {
        let record = self.draft(draft)?;
        let bundle = bundle.ok_or(Refusal::NoSuchDraft { draft })?;
        self.preview(written(record, bundle), language)
    }

    /// The key of the row with a draft's bundle.
    pub fn draft_row(draft: DraftId) -> Vec<u8> {
        key::draft_bundle(draft)
    }

    /// Every draft that is kept, oldest first.
    pub fn drafts(&self) -> Vec<DraftView> {
        let mut views: Vec<DraftView> = self.drafts.values().map(view).collect();
        views.sort_by_key(|view| (view.made, view.draft));
        views
    }
}

/// A kept draft as it was written.
fn written(record: &DraftRecord, bundle: Vec<u8>) -> Draft {
    Draft {
        bundle,
        label: record.label.clone(),
        licence: record.licence.clone(),
        purpose: record.purpose.clone(),
        corrects: record.corrects,
        derived: record.derived.clone(),
        attachments: Vec::new(),
    }
}

fn view(record: &DraftRecord) -> DraftView {
    let approved = record
        .verdict
        .as_ref()
        .filter(|verdict| verdict.preview.is_some());
    DraftView {
        draft: record.id,
        state: record.state.as_str().to_owned(),
        made: record.made.millis(),
        maker: record.maker.code().to_owned(),
        second: record
            .verdict
            .as_ref()
            .map(|verdict| verdict.person.code().to_owned()),
        preview: approved.and_then(|verdict| verdict.preview),
        label: record.label.clone(),
        corrects: record.corrects,
        derived_from: record.derived.as_ref().map(|derived| derived.from.item),
        cut: record
            .derived
            .as_ref()
            .map(|derived| derived.cut.iter().cloned().collect())
            .unwrap_or_default(),
    }
}

/// The id of a bundle, as a UUID of version 4.
fn bundle_id(mut random: [u8; 16]) -> String {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut random;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = testudo_crypto::digest::hex(&random);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "bundle--{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// A moment as STIX writes it.
fn stix_time(time: Timestamp) -> String {
    let day = Date::of_unix_seconds(time.seconds());
    let (seconds, millis) = (time.seconds() % 86_400, time.millis() % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
