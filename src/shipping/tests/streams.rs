//! Syslog servers that stall, break off and come back: nothing is lost, and nothing comes twice but after a break.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::receiver::{Manner, Receiver, json};
use super::*;

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!(
        "to = \"tcp://{}\"\nbacklog = true\ntimeout = \"1s\"",
        listener.local_addr().unwrap()
    );
    (listener, keys)
}

/// Awaits that everything has come, and been seen to.
fn all_have_come(fixture: &Fixture, receiver: &Receiver) {
    eventually("all events", || has_all(fixture, &receiver.heard()).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reads_gets_everything_once() {
    let fixture = Fixture::new().await;
    let (listener, keys) = listener();
    let receiver = Receiver::tcp(listener, &[]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 200).await;
    shipping.stop().await;
    assert_eq!(seqs(&receiver.heard()), (1..=last(&fixture)).collect::<Vec<i64>>());
    assert_eq!((mark(&fixture), receiver.connections()), (last(&fixture), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_off_gets_the_rest_when_it_is_back() {
    let fixture = Fixture::new().await;
    let (listener, keys) = listener();
    let receiver = Receiver::tcp(listener, &[Manner::BreaksOff(20), Manner::BreaksOff(150)]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 500).await;
    all_have_come(&fixture, &receiver);
    shipping.stop().await;

    let heard = seqs(&receiver.heard());
    let again = heard.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(
        again < receiver.connections(),
        "twice only where a connection broke: {again}"
    );
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_holds_up_no_command_and_loses_none() {
    let fixture = Fixture::new().await;
    let (listener, keys) = listener();
    // What the kernel has taken for it is gone when it breaks off.
    let mut receiver = Receiver::tcp(listener, &[Manner::Stalls]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 1).await;
    eventually("the connection", || (receiver.connections() == 1).then_some(()));
    // More than the kernel keeps for both sides, so that the worker stands still in a write.
    let long = "x".repeat(30_000);
    for _ in 0..400 {
        fixture.store.record(fixture.running(&long)).await.unwrap();
    }
    assert_eq!((mark(&fixture), receiver.heard().len()), (0, 0));
    receiver.release();
    all_have_come(&fixture, &receiver);
    shipping.stop().await;
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_idle_server_never_read_is_sent_again() {
    let fixture = Fixture::new().await;
    let (listener, keys) = listener();
    let mut receiver = Receiver::tcp(listener, &[Manner::Stalls]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 3).await;
    eventually("the connection", || (receiver.connections() == 1).then_some(()));
    receiver.release();
    all_have_come(&fixture, &receiver);
    shipping.stop().await;
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_yet_gets_everything_later() {
    let fixture = Fixture::new().await;
    let (first, keys) = listener();
    let address = first.local_addr().unwrap();
    drop(first);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 20).await;
    let receiver = Receiver::tcp(TcpListener::bind(address).unwrap(), &[]);
    all_have_come(&fixture, &receiver);
    shipping.stop().await;
    assert_eq!(seqs(&receiver.heard()), (1..=last(&fixture)).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_not_read_the_end_has_not_been_served() {
    let fixture = Fixture::new().await;
    let (listener, keys) = listener();
    let mut receiver = Receiver::tcp(listener, &[Manner::Stalls]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 2).await;
    eventually("the connection", || (receiver.connections() == 1).then_some(()));
    shipping.stop().await;
    assert_eq!(mark(&fixture), 0, "the kernel took it, and nobody read it");
    receiver.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_streams_is_served_as_tcp_is() {
    let fixture = Fixture::new().await;
    let receiver = Receiver::unix(&fixture.dir.path().join("log"), &[Manner::BreaksOff(3)]);
    let shipping = ship(&fixture, "to = \"unix:log\"\nbacklog = true\ntimeout = \"1s\"");
    commands(&fixture, 300).await;
    all_have_come(&fixture, &receiver);
    shipping.stop().await;
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_datagrams_gets_a_message_at_a_time() {
    let fixture = Fixture::new().await;
    let socket = UnixDatagram::bind(fixture.dir.path().join("log")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let shipping = ship(&fixture, "to = \"unix:log\"\nbacklog = true");
    commands(&fixture, 30).await;
    let mut heard = Vec::new();
    let mut message = vec![0; 100_000];
    while !has_all(&fixture, &heard) {
        let length = socket.recv(&mut message).unwrap();
        heard.push(json(std::str::from_utf8(&message[..length]).unwrap()));
    }
    shipping.stop().await;
    assert_eq!(seqs(&heard), (1..=last(&fixture)).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_datagram_comes_without_its_payload_and_holds_up_nothing() {
    let fixture = Fixture::new().await;
    let socket = UnixDatagram::bind(fixture.dir.path().join("log")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    // Each of these is one byte of the payload and six of the line.
    let text = "\u{7f}".repeat(1 << 20);
    let CommandId(long) = fixture.store.record(fixture.running(&text)).await.unwrap();
    let keys = "to = \"unix:log\"\nbacklog = true\nmax_payload_kib = 4096";
    let shipping = ship(&fixture, keys);
    commands(&fixture, 3).await;
    let mut heard = Vec::new();
    let mut message = vec![0; 100_000];
    while !has_all(&fixture, &heard) {
        let length = socket.recv(&mut message).unwrap();
        heard.push(json(std::str::from_utf8(&message[..length]).unwrap()));
    }
    shipping.stop().await;
    let found = heard.iter().find(|event| event["command_id"] == long).unwrap();
    assert_eq!(found["payload"], Value::Null);
    let why = found["payload_missing"].as_str().unwrap();
    assert!(why.ends_with("more than one message takes"), "{why}");
}

/// A CA and a certificate for `localhost` in the fixture's directory, and a server's settings with it.
fn certificate(fixture: &Fixture) -> Arc<ServerConfig> {
    let directory = fixture.dir.path();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "ca.pem",
        ])
        .current_dir(directory)
        .output()
        .expect("openssl is needed: install openssl");
    assert!(made.status.success(), "{made:?}");
    let certificate = CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

fn over_tls(listener: &TcpListener, server_name: &str) -> String {
    format!(
        "to = \"tls://{}\"\nca_file = \"ca.pem\"\nserver_name = \"{server_name}\"\nbacklog = true\ntimeout = \"1s\"",
        listener.local_addr().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_nothing_is_lost_either() {
    let fixture = Fixture::new().await;
    let (listener, _) = listener();
    let keys = over_tls(&listener, "localhost");
    let receiver = Receiver::tls(listener, certificate(&fixture), &[Manner::BreaksOff(5)]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 300).await;
    all_have_come(&fixture, &receiver);
    shipping.stop().await;
    assert_eq!(mark(&fixture), last(&fixture));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_for_another_name_gets_nothing() {
    let fixture = Fixture::new().await;
    let (listener, _) = listener();
    let keys = over_tls(&listener, "siem.example");
    let receiver = Receiver::tls(listener, certificate(&fixture), &[]);
    let shipping = ship(&fixture, &keys);
    commands(&fixture, 3).await;
    eventually("a second try", || (receiver.connections() >= 2).then_some(()));
    shipping.stop().await;
    assert_eq!((receiver.heard().len(), mark(&fixture)), (0, 0));
}
