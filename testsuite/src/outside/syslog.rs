//! Messages to a real syslog server.

use crate::rsyslog::{ClientCertificate, Rsyslog, certify};
use sekisho_core::time::Timestamp;
use sekisho_courier::syslog::{ELEMENT, Element, Facility, Message, Severity, Syslog, SyslogSettings, Transport};
use std::time::Duration;

fn message(msgid: &str, text: &str) -> Message {
    Message {
        facility: Facility::Audit,
        severity: Severity::Notice,
        at: Timestamp(1_795_000_000_123),
        host: "gate.aoba.example".into(),
        app: "sekisho".into(),
        msgid: msgid.into(),
        data: vec![Element { id: ELEMENT, params: vec![("name", "a\"b]c\\d".into())] }],
        text: text.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_a_real_server_by_tls_whole_and_in_order() {
    let server = Rsyslog::receiver(ClientCertificate::Asked);
    let way = server.by_tls(true);
    let batch: Vec<Message> = (0..200).map(|n| message(&format!("n{n}"), &format!("第{n}号\n<0>1 - - - - - - forged"))).collect();
    let mut line = way.connect().await.unwrap();
    line.send(&batch[..100]).await.unwrap();
    line.send(&batch[100..]).await.unwrap();
    line.close().await.unwrap();
    server.wait_for("the last message", |taken| taken.msgid == "n199");
    let taken = server.messages();
    assert_eq!(taken.len(), 200, "one message each, whatever their text holds");
    for (n, one) in taken.iter().enumerate() {
        assert_eq!((one.msgid.as_str(), one.by.as_str(), one.pri.as_str(), one.host.as_str(), one.app.as_str()), (format!("n{n}").as_str(), "tls", "109", "gate.aoba.example", "sekisho"));
        assert_eq!(one.text.trim_start_matches('\u{feff}'), format!("第{n}号␊<0>1 - - - - - - forged"));
        assert_eq!(one.data, "[sekisho@32473 name=\"a\\\"b\\]c\\\\d\"]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_either_end_is_noticed() {
    let server = Rsyslog::receiver(ClientCertificate::Asked);
    // Without a certificate the server takes nothing, and we learn of it.
    let unknown = server.by_tls(false).hand_over(&[message("nobody", "x")]).await;
    assert!(unknown.is_err(), "a server that refuses us is not taken for one that took the message");
    // A server of another authority is not spoken to.
    let elsewhere = tempfile::tempdir().unwrap();
    certify(elsewhere.path());
    let trusted = std::fs::read(elsewhere.path().join("ca.pem")).unwrap();
    let wrong = server.by(server.tls_port, Transport::Tls { authorities: trusted, identity: None, bare_close: false });
    assert!(wrong.connect().await.is_err());
    // One whose certificate names another.
    let named = Syslog::new(SyslogSettings { server: "localhost".into(), port: server.tls_port, transport: Transport::Tls { authorities: std::fs::read(server.path("ca.pem")).unwrap(), identity: None, bare_close: false } }).unwrap();
    assert!(named.connect().await.is_err());
    assert!(server.messages().iter().all(|taken| taken.msgid != "nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_arrives_and_is_marked_with_its_network() {
    let server = Rsyslog::receiver(ClientCertificate::NotAsked);
    let tcp = server.by(server.clear_port, Transport::ClearTcp { network: "旧館".into() });
    tcp.hand_over(&[message("by-tcp", "一"), message("by-tcp-2", "二")]).await.unwrap();
    let udp = server.by(server.clear_port, Transport::ClearUdp { network: "旧館".into() });
    assert!(udp.is_blind() && !tcp.is_blind());
    udp.hand_over(&[message("by-udp", "三")]).await.unwrap();
    for msgid in ["by-tcp", "by-tcp-2", "by-udp"] {
        let taken = server.wait_for(msgid, |taken| taken.msgid == msgid);
        assert!(taken.data.contains("clearTextNetwork=\"旧館\""), "{}", taken.data);
    }
    server.by_tls(false).hand_over(&[message("by-tls", "四")]).await.unwrap();
    let taken = server.wait_for("by-tls", |taken| taken.msgid == "by-tls");
    assert!(!taken.data.contains("clearTextNetwork"), "{}", taken.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_says_nothing_holds_nobody_up() {
    let mut server = Rsyslog::receiver(ClientCertificate::NotAsked);
    let way = server.by_tls(false);
    let mut line = way.connect().await.unwrap();
    line.send(&[message("before", "x")]).await.unwrap();
    server.wait_for("the first message", |taken| taken.msgid == "before");
    server.stop();
    let lost = async {
        // What the kernel still takes is not an answer; the end of the line says it.
        line.send(&[message("lost", "x")]).await?;
        line.close().await
    };
    assert!(lost.await.is_err());
    assert!(way.connect().await.is_err());
    server.start_again();
    way.hand_over(&[message("after", "x")]).await.unwrap();
    server.wait_for("the message after", |taken| taken.msgid == "after");

    // One that takes the connection and never speaks TLS: the handshake has an end.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stuck = server.by(silent.local_addr().unwrap().port(), Transport::Tls { authorities: std::fs::read(server.path("ca.pem")).unwrap(), identity: None, bare_close: false });
    let waited = tokio::time::timeout(Duration::from_secs(60), stuck.connect()).await.expect("the handshake ends by itself");
    assert!(waited.is_err());
}

/// A server by TLS that takes every message and ends the connection, by the words of TLS or without them, as somebody on the wire
/// can in its place.
async fn ends(folder: &std::path::Path, in_order: bool) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut taken = Vec::new();
            stream.read_to_end(&mut taken).await.unwrap();
            if in_order {
                stream.shutdown().await.unwrap();
            } else {
                stream.get_mut().0.shutdown().await.unwrap();
            }
        }
    });
    port
}

#[tokio::test]
async fn an_end_that_anybody_on_the_wire_can_make_is_no_taking() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let by = |port, bare_close| {
        let authorities = std::fs::read(folder.path().join("ca.pem")).unwrap();
        Syslog::new(SyslogSettings { server: "127.0.0.1".into(), port, transport: Transport::Tls { authorities, identity: None, bare_close } }).unwrap()
    };
    by(ends(folder.path(), true).await, false).hand_over(&[message("told", "x")]).await.unwrap();
    let bare = ends(folder.path(), false).await;
    assert!(by(bare, false).hand_over(&[message("lost", "x")]).await.is_err());
    by(bare, true).hand_over(&[message("by-configuration", "x")]).await.unwrap();
}
