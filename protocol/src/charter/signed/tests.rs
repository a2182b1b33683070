use super::*;
use crate::fixture::{document, hub, member, secrets, signed};

fn refusal(document: &CharterDocument, all: &[crate::fixture::Secrets; 3]) -> String {
    let file = signed(document, &[("FR", &all[0]), ("EEAS", &all[1])]);
    Charter::verify(&file).unwrap_err().to_string()
}

#[test]
fn every_voter_must_have_signed() {
    let (document, all) = document();
    let both = signed(&document, &[("FR", &all[0]), ("EEAS", &all[1])]);
    let charter = Charter::verify(&both).unwrap();
    assert_eq!(charter.active_sponsors(charter.member(hub("MD")).unwrap()), 2);

    let one = signed(&document, &[("FR", &all[0])]);
    assert!(
        Charter::verify(&one)
            .unwrap_err()
            .to_string()
            .contains("lacks the signatures of EEAS")
    );
    let other = signed(&document, &[("FR", &all[0]), ("EEAS", &all[2])]);
    assert!(
        Charter::verify(&other).unwrap_err().to_string().contains("EEAS"),
        "the partner's key is no vote"
    );
}

#[test]
fn a_changed_text_is_refused() {
    let (document, all) = document();
    let file = signed(&document, &[("FR", &all[0]), ("EEAS", &all[1])]);
    let text = String::from_utf8(file)
        .unwrap()
        .replace("\"associated\"", "\"likeminded\"");
    assert!(matches!(
        Charter::verify(text.as_bytes()),
        Err(CharterError::Note(NoteError::Forged { .. }))
    ));
}

#[test]
fn a_wrong_member_entry_is_named() {
    let (good, all) = document();

    let mut twice = good.clone();
    twice.members.push(member("XX", Class::MemberState, &all[0]));
    assert!(refusal(&twice, &all).contains("XX: a key is used by another member too"));

    let mut partner_votes = good.clone();
    let partner = &good.members[2];
    partner_votes.voters.push(crate::charter::Voter {
        code: partner.code,
        governance: partner.keys.governance,
    });
    assert!(refusal(&partner_votes, &all).contains("only member states and EU institutions vote"));

    let mut european = good.clone();
    european.members[2].eu_member = true;
    assert!(refusal(&european, &all).contains("euMember does not fit the class"));

    let mut weak = good.clone();
    weak.members[2].keys.payload = Hash::new([0; 32]);
    assert!(refusal(&weak, &all).contains("MD: a key is weak"));

    let mut stranger = good.clone();
    stranger.voters[1].governance = Hash::new(secrets(9).governance.verifying_key().to_bytes());
    assert!(refusal(&stranger, &all).contains("EEAS: votes with another key"));
}

#[test]
fn sponsors_count_only_while_they_are_active_voters() {
    let (mut document, all) = document();
    document.members[1].status = Status::Suspended;
    let file = signed(&document, &[("FR", &all[0]), ("EEAS", &all[1])]);
    let charter = Charter::verify(&file).unwrap();
    assert_eq!(charter.active_sponsors(charter.member(hub("MD")).unwrap()), 1);
}
