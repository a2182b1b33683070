//! How a hub begins and ends: told by a service manager, under load, twice. Fault case F16.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::health::{get, listen_at};
use crate::hub::Hub;
use crate::program::{Process, finish};
use crate::waiting::{PATIENCE, wait_until};

/// Longest time in which a hub without work ends. It takes milliseconds; a busy machine a little more.
const PROMPT: Duration = Duration::from_millis(2_500);

/// A request that the hub has begun to read, and whose body does not come.
fn unfinished_request(hub: &Hub) -> UnixStream {
    let mut stream = UnixStream::connect(hub.data.join("control.sock")).unwrap();
    let head = "POST /v1/preview HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // Said by the hub at the moment in which it waits for the body.
    let mut go_on = [0; "HTTP/1.1 100 Continue".len()];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue");
    stream
}

#[test]
fn a_hub_ends_promptly_although_a_peer_is_gone() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    federation.hub_mut("EEAS").kill();
    let began = Instant::now();
    federation.hub_mut("FR").stop();
    assert!(began.elapsed() < PROMPT, "it took {:?}", began.elapsed());
    // Its port is free at once: the next start does not find itself in the way.
    federation.start();
}

#[test]
fn f16_a_hub_that_is_told_to_end_under_load_finishes_what_it_has_begun() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let socket = federation.folder().join("health.sock");
    listen_at(federation.hub("FR"), &format!("unix:{}", socket.display()));
    federation.start();
    let bundle = assessment("matriochka-overload-2024.json");
    let flags = format!("{HANDLING} --tlp GREEN --community");
    let fr = federation.hub("FR");
    let preview = fr.preview(&bundle, &flags).document()["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    // Somebody who has begun a request and does not end it keeps the hub from ending before its time.
    let mut slow = unfinished_request(fr);

    let answers: Vec<_> = std::thread::scope(|scope| {
        let release = || fr.release_as(&bundle, &flags, &preview);
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(release)).collect();
        wait_until(PATIENCE, "a release is through", || {
            (!fr.ask(&["released"]).document().as_array().unwrap().is_empty()).then_some(())
        });
        fr.signal("TERM");
        wait_until(PATIENCE, "watchers are told", || {
            (get(&socket, "/readyz") == (503, "stopping\n".to_owned())).then_some(())
        });
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    slow.write_all(b"0123456789").unwrap();
    drop(slow);
    let fr = federation.hub_mut("FR");
    assert_eq!(fr.wait_until_ended(), Some(0), "{}", fr.log());
    assert!(!fr.data.join("control.sock").exists() && !socket.exists());

    // Acknowledged is durable; what was not answered is whole or absent.
    let released = fr.answer(&["released"]);
    let released = released.as_array().unwrap();
    let acknowledged = answers.iter().filter(|answer| answer.exit == 0);
    let ids: Vec<_> = acknowledged
        .map(|answer| answer.document()["item"].clone())
        .collect();
    assert!(!ids.is_empty());
    for id in &ids {
        assert!(released.iter().any(|entry| entry["item"] == *id), "{id} is lost");
    }
    for answer in answers.iter().filter(|answer| answer.exit != 0) {
        assert!(matches!(answer.exit, 69 | 75), "{answer:?}");
    }
    fr.audit();
    federation.start();
    federation.hub("FR").wait_until_delivered();
    assert_eq!(federation.hub("EEAS").inbox().len(), released.len());
}

#[test]
fn a_second_signal_ends_a_hub_at_once() {
    let mut federation = Federation::of(&["FR"]);
    federation.start();
    let fr = federation.hub_mut("FR");
    let _slow = unfinished_request(fr);
    fr.signal("TERM");
    wait_until(PATIENCE, "it has begun to end", || {
        fr.log().contains("stopping").then_some(())
    });
    fr.must_run();
    fr.signal("TERM");
    assert_eq!(fr.wait_until_ended(), Some(1), "{}", fr.log());
    assert!(fr.log().contains("told to end a second time"), "{}", fr.log());
    fr.audit();
    fr.start();
}

#[test]
fn a_service_manager_is_told_when_the_hub_is_ready_lives_and_ends() {
    let mut federation = Federation::of(&["FR"]);
    let path = federation.folder().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut bytes = [0; 512];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    let fr = federation.hub_mut("FR");
    fr.port = None;
    let mut serve = fr.serve();
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut process = Process::spawn(&mut serve);
    assert!(hear().starts_with("READY=1"));
    assert!(fr.status().is_some(), "ready means that it answers");
    assert_eq!(
        (hear(), hear()),
        ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned())
    );
    process.signal("HUP");
    wait_until(PATIENCE, "a reload is told", || {
        (hear() == "RELOADING=1").then_some(())
    });
    wait_until(PATIENCE, "it is ready again", || {
        hear().starts_with("READY=1").then_some(())
    });
    process.signal("TERM");
    wait_until(PATIENCE, "the end is told", || {
        hear().starts_with("STOPPING=1").then_some(())
    });
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn a_control_socket_that_is_left_over_is_no_hub() {
    let federation = Federation::of(&["FR"]);
    let fr = federation.hub("FR");
    drop(UnixListener::bind(fr.data.join("control.sock")).unwrap());
    fr.ask(&["status"])
        .refused(69, "not-running", &["no hub runs on"]);
    let doctor = finish(&mut fr.command(&["doctor"]), PATIENCE);
    assert!(doctor.stdout.contains("no hub runs on"), "{}", doctor.stdout);
}
