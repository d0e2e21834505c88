//! Tunnels: bytes between a program on this machine and the SSH gateway.

use crate::OpenArgs;
use crate::home::{Home, Registration};
use crate::renew;
use crate::tls::{self, Server, trouble_of};
use crate::trouble::Trouble;
use sekisho_core::limits;
use sekisho_core::porter::ALPN_SSH;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::client::TlsStream;

/// Bytes that are carried at a time.
const BLOCK: usize = 64 * 1024;
/// Blocks that may wait between a thread that reads or writes and the tunnel.
const WAITING: usize = 4;
/// Programs that may use one listening address at once.
const LISTENERS: usize = 32;

/// Opens what is asked for.
pub async fn run(args: &OpenArgs) -> Result<(), Trouble> {
    let at = Home::of(args.at.dir.as_deref())?.find(args.at.name.as_deref())?;
    let target = args.target.as_deref().map(|target| target_of(target, &at.name)).transpose()?;
    match args.listen {
        Some(address) if !address.ip().is_loopback() => Err(Trouble::NotLoopback),
        Some(address) => listen(at, address, target).await,
        None => {
            let stream = open(&at, target.as_deref()).await?;
            carry(stream).await
        }
    }
}

/// The target's name as the server knows it: what ssh gives has the hospital's name behind it.
pub fn target_of(text: &str, name: &str) -> Result<String, Trouble> {
    let lower = text.to_ascii_lowercase();
    let target = lower.strip_suffix(&format!(".{name}")).unwrap_or(&lower);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let sound = (1..=limits::TARGET_NAME_CHARS).contains(&target.len()) && target.bytes().all(plain) && target != "-";
    if sound { Ok(target.to_owned()) } else { Err(Trouble::NameForm) }
}

async fn open(at: &Registration, target: Option<&str>) -> Result<TlsStream<TcpStream>, Trouble> {
    let (profile, identity) = renew::fresh(at).await?;
    let server = Server::parse(&profile.server)?;
    let mut stream = tls::connect(&server, tls::enrolled(at.authority()?, &identity, ALPN_SSH)?).await?;
    let line = format!("TARGET {}\n", target.unwrap_or("-"));
    stream.write_all(line.as_bytes()).await.map_err(trouble_of)?;
    stream.flush().await.map_err(trouble_of)?;
    Ok(stream)
}

/// Standard input and output. Ends when the server has said all that it has to say; what this side still could say then has
/// nobody to hear it.
async fn carry(stream: TlsStream<TcpStream>) -> Result<(), Trouble> {
    let (reader, writer) = tokio::io::split(stream);
    // The writer says goodbye at the end of the input, and the answer to the last byte still comes.
    let up = tokio::spawn(send(writer));
    let down = receive(reader).await;
    up.abort();
    down
}

async fn send(mut writer: WriteHalf<TlsStream<TcpStream>>) {
    let (blocks, mut read) = mpsc::channel::<Vec<u8>>(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut block = vec![0; BLOCK];
        // An error ends the input as its end does.
        while let Ok(count @ 1..) = input.read(&mut block) {
            let part = block.get(..count).unwrap_or_default().to_vec();
            if blocks.blocking_send(part).is_err() {
                return;
            }
        }
    });
    while let Some(block) = read.recv().await {
        if writer.write_all(&block).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn receive(mut reader: ReadHalf<TlsStream<TcpStream>>) -> Result<(), Trouble> {
    let (blocks, mut read) = mpsc::channel::<Vec<u8>>(WAITING);
    let writing = std::thread::spawn(move || {
        let mut output = io::stdout().lock();
        while let Some(block) = read.blocking_recv() {
            output.write_all(&block)?;
            output.flush()?;
        }
        Ok::<(), io::Error>(())
    });
    let mut block = vec![0; BLOCK];
    let mut first = true;
    let ended = loop {
        match reader.read(&mut block).await {
            Ok(0) => break Ok(()),
            Ok(count) => {
                first = false;
                let part = block.get(..count).unwrap_or_default().to_vec();
                if blocks.send(part).await.is_err() {
                    // Nobody reads our output any more.
                    break Ok(());
                }
            }
            // Cut without a goodbye in the midst of a session: ssh says so itself. Before its first byte, the reason is ours.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !first => break Ok(()),
            Err(error) => break Err(trouble_of(error)),
        }
    };
    drop(blocks);
    // Every byte that came is out before this program ends.
    let written = tokio::task::spawn_blocking(move || writing.join()).await;
    match (ended, written) {
        (Err(trouble), _) => Err(trouble),
        (Ok(()), Ok(Ok(Err(error)))) if error.kind() != io::ErrorKind::BrokenPipe => Err(Trouble::here(error)),
        _ => Ok(()),
    }
}

async fn listen(at: Registration, address: std::net::SocketAddr, target: Option<String>) -> Result<(), Trouble> {
    let listener = TcpListener::bind(address).await.map_err(|error| Trouble::here(format!("{address}: {error}")))?;
    let address = listener.local_addr().map_err(Trouble::here)?;
    println!("{address} で待っています。終えるには Ctrl+C を押してください。 / Listening on {address}; Ctrl+C ends it.");
    let (at, places) = (Arc::new(at), Arc::new(Semaphore::new(LISTENERS)));
    loop {
        let (mut near, _) = listener.accept().await.map_err(Trouble::here)?;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (at, target) = (Arc::clone(&at), target.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = near.set_nodelay(true);
            match open(&at, target.as_deref()).await {
                Ok(mut far) => {
                    if let Err(error) = tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, BLOCK, BLOCK).await
                        && matches!(trouble_of(error), Trouble::NotAccepted)
                    {
                        eprintln!("{}", Trouble::NotAccepted);
                    }
                }
                Err(trouble) => eprintln!("{trouble}"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hospitals_name_is_taken_off_a_target() {
        assert_eq!(target_of("ehr-db01.hospital", "hospital").unwrap(), "ehr-db01");
        assert_eq!(target_of("EHR-db01.Hospital", "hospital").unwrap(), "ehr-db01");
        assert_eq!(target_of("ehr.db01", "hospital").unwrap(), "ehr.db01");
        for bad in ["", ".hospital", "a b", "a+b", "-", "a\nb", &"a".repeat(40)] {
            assert!(target_of(bad, "hospital").is_err(), "{bad:?}");
        }
    }
}
