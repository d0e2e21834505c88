//! The way to one server: TCP, TLS with its certificate checked, and a watch over what comes back.
//!
//! The LDAP library sees one end of a pair of local sockets. So TLS is the house's own for both ways in, and no message
//! reaches the library that was not measured first.

use crate::frames;
use crate::settings::Server;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::pki_types::ServerName;
use sekisho_core::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Time until a server took the connection; another one may be asked after it.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(3);
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// A connection to a directory. What carries it ends when this is dropped.
pub(crate) struct Line {
    pub ldap: Ldap,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Line {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Opens a line to one server.
pub(crate) async fn open(server: &Server, tls: &TlsConnector) -> Result<Line, String> {
    let whom = format!("{}:{}", server.host, server.port);
    let name = ServerName::try_from(server.host.clone()).map_err(|_| format!("{whom} is no name that a certificate could have"))?;
    let dialled = tokio::time::timeout(CONNECT, TcpStream::connect((server.host.as_str(), server.port))).await;
    let mut tcp = match dialled {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(fault)) => return Err(format!("{whom} cannot be reached: {fault}")),
        Err(_) => return Err(format!("{whom} does not answer within {} seconds", CONNECT.as_secs())),
    };
    if server.start_tls {
        start_tls(&mut tcp).await.map_err(|why| format!("{whom}: {why}"))?;
    }
    let stream = tls.connect(name, tcp).await.map_err(|fault| format!("{whom}: its certificate or TLS is not accepted: {fault}"))?;
    let (inner, outer) = std::os::unix::net::UnixStream::pair().map_err(|fault| fault.to_string())?;
    outer.set_nonblocking(true).map_err(|fault| fault.to_string())?;
    let outer = UnixStream::from_std(outer).map_err(|fault| fault.to_string())?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(inner));
    let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await.map_err(|fault| fault.to_string())?;
    let carrier = tokio::spawn(async move {
        if let Err(why) = carry(stream, outer).await {
            tracing::warn!(server = %whom, why, "the line to a directory was ended");
        }
    });
    let driver = tokio::spawn(async move {
        let _ = driver.drive().await;
    });
    Ok(Line { ldap, tasks: [carrier, driver] })
}

/// Asks for TLS over the open line. Nothing but the one answer may come before it: what somebody on the way adds behind the
/// answer would be taken for the server's word.
async fn start_tls(tcp: &mut TcpStream) -> Result<(), &'static str> {
    tcp.write_all(frames::START_TLS).await.map_err(|_| "the line broke before TLS")?;
    let mut held = Vec::with_capacity(64);
    let whole = loop {
        // One byte at a time, so that nothing of what follows the answer is taken from the line.
        let byte = tcp.read_u8().await.map_err(|_| "the line broke before TLS")?;
        held.push(byte);
        match frames::first(&held) {
            Ok(None) if held.len() < 4096 => {}
            Ok(Some(whole)) => break whole,
            _ => return Err("it does not speak LDAP"),
        }
    };
    if whole == held.len() && frames::starts_tls(&held) { Ok(()) } else { Err("it refuses to begin TLS (StartTLS)") }
}

/// Carries both ways until one side ends.
async fn carry(stream: impl AsyncRead + AsyncWrite, pair: UnixStream) -> Result<(), &'static str> {
    let (mut from_server, mut to_server) = tokio::io::split(stream);
    let (mut from_us, mut to_us) = pair.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut from_us, &mut to_server).await;
        let _ = to_server.shutdown().await;
        Ok(())
    };
    let down = async {
        let (mut held, mut taken) = (Vec::new(), 0_usize);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from_server.read(&mut chunk).await.map_err(|_| "it broke")?;
            if read == 0 {
                return Ok(());
            }
            taken = taken.saturating_add(read);
            if taken > limits::DIRECTORY_ANSWER_BYTES {
                return Err("it sent more than DIRECTORY_ANSWER_BYTES");
            }
            held.extend_from_slice(chunk.get(..read).unwrap_or_default());
            while let Some(whole) = frames::first(&held).map_err(|_| "it sent what is no message of LDAP, or one that is too long")? {
                let message: Vec<u8> = held.drain(..whole).collect();
                if !frames::is_sound(&message) {
                    return Err("it sent a message that is malformed or too deep");
                }
                to_us.write_all(&message).await.map_err(|_| "it was given up")?;
            }
        }
    };
    tokio::select! {
        done = up => done,
        done = down => done,
    }
}
