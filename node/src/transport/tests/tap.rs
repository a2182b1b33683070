//! The tap records what streams carried, to the byte.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::harness::{Folder, Hub, config, loopback, sample};
use crate::transport::{StartError, TransportEvent};

/// What either side of a stream says before frames flow.
const NEGOTIATION: &[u8] = b"\x13/multistream/1.0.0\n\x14/testudo/exchange/1\n";

/// The file holds these frames, after the negotiation of whole streams, and nothing else. The test sends
/// only when both streams stand; before that, the negotiation of one may run through that of the other.
fn assert_holds(path: &Path, frames: &[u8]) {
    let bytes = fs::read(path).unwrap();
    let name = path.display();
    assert!(bytes.ends_with(frames), "{name} does not end with the frames");
    let mut before = bytes[..bytes.len() - frames.len()].to_vec();
    let streams = before.len() / NEGOTIATION.len();
    assert!(streams > 0, "{name} lacks the negotiation");
    let mut expected = NEGOTIATION.repeat(streams);
    before.sort_unstable();
    expected.sort_unstable();
    assert_eq!(before, expected, "{name} holds something else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_hold_exactly_the_frames() {
    let (of_a, of_b) = (Folder::new("a"), Folder::new("b"));
    let mut taps = Vec::new();
    for (code, seed, folder) in [("AA", 80, &of_a), ("BB", 81, &of_b)] {
        let mut config = config(seed, loopback(), vec![]);
        config.tap = Some(folder.0.clone());
        taps.push(Hub::start_with(code, seed, config).await.unwrap());
    }
    let mut b = taps.pop().unwrap();
    let mut a = taps.pop().unwrap();
    a.transport.set_peers(vec![b.entry.clone()]);
    b.transport.set_peers(vec![a.entry.clone()]);
    a.connected("BB").await;
    b.connected("AA").await;

    let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
    for i in 0..60 {
        // Large ones make streams accept less than they are offered.
        let frame = sample(i, if i % 20 == 0 { 3_000_000 } else { i });
        from_a.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        from_a.extend_from_slice(&frame);
        a.send("BB", &frame).await;
        let answer = sample(1_000 + i, 10);
        from_b.extend_from_slice(&(answer.len() as u32).to_be_bytes());
        from_b.extend_from_slice(&answer);
        b.send("AA", &answer).await;
    }
    for _ in 0..60 {
        a.frame().await;
        b.frame().await;
    }
    assert_holds(&of_a.0.join("BB.sent"), &from_a);
    assert_holds(&of_b.0.join("AA.received"), &from_a);
    assert_holds(&of_b.0.join("AA.sent"), &from_b);
    assert_holds(&of_a.0.join("BB.received"), &from_b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_leaves_no_sent_file() {
    let folder = Folder::new("stranger");
    let mut tapped = config(82, loopback(), vec![]);
    tapped.tap = Some(folder.0.clone());
    let mut a = Hub::start_with("AA", 82, tapped).await.unwrap();
    let b = Hub::start("BB", 83).await;
    b.transport.set_peers(vec![a.entry.clone()]);
    a.until(|event| matches!(event, TransportEvent::Stranger { .. }))
        .await;
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    assert!(b.transport.send("AA", vec![]).is_err());
}

#[tokio::test]
async fn a_tap_that_cannot_write_is_refused() {
    let mut tapped = config(84, loopback(), vec![]);
    tapped.tap = Some(PathBuf::from("/dev/null/tap"));
    let error = Hub::start_with("AA", 84, tapped).await.err();
    assert!(matches!(error, Some(StartError::Tap { .. })));
}
