//! A hub that the charter does not list.

use crate::bundle::{HANDLING, assessment};
use crate::federation::{Federation, accept};
use crate::waiting::{PATIENCE, wait_until};

/// What a hub says when somebody knocks whom it does not know.
const TURNED_AWAY: &str = "somebody who is not a member was turned away";

#[test]
fn a_hub_that_is_not_in_the_charter_is_turned_away() {
    let mut federation = Federation::without_charter(&["FR", "EEAS", "MD"]);
    let ours = federation.charter("ours", &["FR", "EEAS"]);
    // MD follows a charter in which all three are members: it knows where to knock, and with which keys.
    let theirs = federation.charter("theirs", &["FR", "EEAS", "MD"]);
    accept(federation.hub("FR"), &ours);
    accept(federation.hub("EEAS"), &ours);
    accept(federation.hub("MD"), &theirs);

    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).start();
    }
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    federation.hub("FR").wait_until_unfenced();
    assert!(!federation.hub("FR").log().contains(TURNED_AWAY));
    federation.hub_mut("MD").start();
    for code in ["FR", "EEAS"] {
        let hub = federation.hub(code);
        wait_until(PATIENCE, "the stranger is turned away", || {
            hub.log().contains(TURNED_AWAY).then_some(())
        });
    }

    let fr = federation.hub("FR");
    let green = assessment("matriochka-overload-2024.json");
    let item = fr.release(&green, &format!("{HANDLING} --tlp GREEN --community"));
    fr.wait_until_delivered();
    assert_eq!(federation.hub("EEAS").inbox(), [(item, 1)]);
    let status = fr.answer(&["status"]);
    assert_eq!(status["peers"].as_array().unwrap().len(), 1, "{status}");
    assert!(fr.is_connected("EEAS"));

    let md = federation.hub("MD");
    assert!(md.inbox().is_empty());
    assert!(!md.is_connected("FR") && !md.is_connected("EEAS"));
    assert!(!md.log().contains(" connected"), "{}", md.log());
}
