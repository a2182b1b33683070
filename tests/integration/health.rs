//! What machines ask that watch a hub: fault case F76.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::program::{finish, testudo};
use crate::waiting::PATIENCE;

/// Status and body of a page.
pub fn get(socket: &Path, page: &str) -> (u16, String) {
    ask(UnixStream::connect(socket).unwrap(), page, "localhost")
}

fn ask(mut stream: impl Read + Write, page: &str, host: &str) -> (u16, String) {
    write!(
        stream,
        "GET {page} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// Has a hub answer at a place.
pub fn listen_at(hub: &Hub, place: &str) {
    let path = hub.data.join("hub.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("[health]\n", &format!("[health]\nlisten = \"{place}\"\n")),
    )
    .unwrap();
}

#[test]
fn the_pages_answer_and_hold_no_titles_and_no_ids() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let socket = federation.folder().join("health.sock");
    listen_at(federation.hub("FR"), &format!("unix:{}", socket.display()));
    federation.start();
    assert_eq!(get(&socket, "/livez"), (200, "lives\n".to_owned()));
    assert_eq!(get(&socket, "/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(get(&socket, "/v1/status").0, 404, "nothing else is answered here");

    let fr = federation.hub("FR");
    let item = fr.release(
        &assessment("matriochka-overload-2024.json"),
        &format!("{HANDLING} --tlp GREEN --community"),
    );
    fr.wait_until_delivered();
    let title = federation.hub("EEAS").answer(&["inbox"])[0]["title"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, page) = get(&socket, "/metrics");
    assert_eq!(status, 200);
    for sample in [
        "testudo_ready 1\n",
        "testudo_peer_connected{peer=\"EEAS\"} 1\n",
        "testudo_outbox_items{peer=\"EEAS\"} 0\n",
        "testudo_verdicts_total{outcome=\"allowed\"} 1\n",
        "testudo_receipts_total ",
        "testudo_database_write_seconds_count ",
        "testudo_disk_free_bytes ",
    ] {
        assert!(page.contains(sample), "{sample} is not in {page}");
    }
    for secret in [item.as_str(), title.as_str(), "GREEN"] {
        assert!(!page.contains(secret), "{secret} is in {page}");
    }
    federation.hub_mut("FR").stop();
    assert!(!socket.exists());
}

#[test]
fn f76_only_this_machine_is_answered_and_only_by_its_own_name() {
    let mut federation = Federation::of(&["FR"]);
    let fr = federation.hub_mut("FR");
    let file = fr.data.join("hub.toml");
    let before = fs::read_to_string(&file).unwrap();
    listen_at(fr, "0.0.0.0:9470");
    fr.try_serve()
        .refused(78, "configuration", &["expected a loopback address"]);

    fs::write(&file, &before).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    listen_at(fr, &address.to_string());
    fr.port = None;
    // The sentence alone: by then the hub has begun to log.
    fr.environment.insert("TESTUDO__LOG__FILTER", "off");
    fr.try_serve()
        .refused(69, "health-listener", &[&address.to_string(), "cannot be opened"]);
    fr.environment.clear();
    drop(taken);
    fr.start();
    let page = |host: &str| ask(std::net::TcpStream::connect(address).unwrap(), "/metrics", host).0;
    assert_eq!(page(&address.to_string()), 200);
    assert_eq!(
        page("evil.example"),
        421,
        "a page of the web that was made to lead here"
    );
}

#[test]
fn a_hub_that_is_not_told_where_answers_no_machine() {
    let federation = Federation::of(&["FR"]);
    let shown = finish(
        testudo()
            .args(["config", "show", "--effective", "--json", "--data"])
            .arg(&federation.hub("FR").data),
        PATIENCE,
    );
    assert!(!shown.stdout.contains("health.listen"), "{}", shown.stdout);
}
