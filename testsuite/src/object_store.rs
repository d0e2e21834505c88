//! An object store of the S3 protocol on loopback, and somebody between it and Sekisho who makes it fail.

use sekisho_core::secret::Secret;
use sekisho_courier::archive::S3Settings;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// The store. It ends with this.
pub struct ObjectStore {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ObjectStore {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let folder = std::env::var_os("SEKISHO_CLIENTS").map_or_else(|| crate::street::program::root().join("target/clients/bin"), PathBuf::from);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(folder.join("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("moto_server of testsuite/requirements.txt is there");
        let store = Self { child, address };
        for _ in 0..600 {
            if TcpStream::connect(address).await.is_ok() {
                return store;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the object store does not answer");
    }

    /// Makes a bucket.
    pub async fn bucket(&self, name: &str, lock: bool) {
        let request = reqwest::Client::new().put(format!("http://{}/{name}", self.address)).header("x-amz-bucket-object-lock-enabled", lock.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }
}

/// The settings of a store at an address.
pub fn settings(address: SocketAddr, bucket: &str) -> S3Settings {
    S3Settings {
        name: "nas".into(),
        endpoint: format!("http://{address}"),
        bucket: bucket.into(),
        region: "us-east-1".into(),
        prefix: "sekisho/aoba".into(),
        access_key: "sekisho".into(),
        secret: Secret::new("himitsu-no-kagi"),
        authorities: None,
        lock: true,
        patience: Duration::from_secs(30),
    }
}

/// What somebody between does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing.
    Pass,
    /// Hangs up.
    HangUp,
    /// Takes everything and says nothing.
    Silent,
    /// Says that the key is wrong.
    Deny,
    /// Tells another digest than the store has.
    Lie,
}

/// Somebody between.
pub struct Between {
    pub address: SocketAddr,
    does: Arc<Mutex<Does>>,
}

impl Between {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let between = Self { address: listener.local_addr().unwrap(), does: Arc::new(Mutex::new(Does::Pass)) };
        let does = Arc::clone(&between.does);
        tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                let does = *does.lock().unwrap();
                tokio::spawn(async move {
                    let _ = one(visitor, to, does).await;
                });
            }
        });
        between
    }

    pub fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }
}

async fn one(mut visitor: TcpStream, to: SocketAddr, does: Does) -> std::io::Result<()> {
    match does {
        Does::HangUp => return Ok(()),
        Does::Silent => {
            copy(&mut visitor, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        Does::Deny => {
            let mut some = [0; 4096];
            let _ = visitor.read(&mut some).await?;
            let body = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
            let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            return visitor.write_all(answer.as_bytes()).await;
        }
        Does::Pass | Does::Lie => {}
    }
    let store = TcpStream::connect(to).await?;
    let (mut from_visitor, mut to_visitor) = visitor.into_split();
    let (mut from_store, mut to_store) = store.into_split();
    tokio::spawn(async move { copy(&mut from_visitor, &mut to_store).await });
    if does == Does::Lie {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            head.push(from_store.read_u8().await?);
        }
        let lines = String::from_utf8_lossy(&head).into_owned();
        let lied: Vec<String> = lines.split("\r\n").map(|line| if line.to_lowercase().starts_with("x-amz-checksum-sha256") { format!("x-amz-checksum-sha256: {}=", "A".repeat(43)) } else { line.to_owned() }).collect();
        to_visitor.write_all(lied.join("\r\n").as_bytes()).await?;
    }
    copy(&mut from_store, &mut to_visitor).await?;
    Ok(())
}
