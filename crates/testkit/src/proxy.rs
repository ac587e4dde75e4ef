use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What a [`Proxy`] does to what passes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Answers take so much longer.
    SlowAnswers(Duration),
    /// Requests go through, answers do not.
    NoAnswers,
    /// Requests do not go through; answers do.
    NoRequests,
    /// Connections are cut before a request goes through.
    Cut,
}

/// A TCP proxy on loopback that misbehaves on demand; it ends when dropped.
pub struct Proxy {
    /// Its own address, `127.0.0.1:port`.
    pub address: String,
    fault: Arc<Mutex<Fault>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy for `target`, an address such as `127.0.0.1:5672`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn new(target: impl Into<String>) -> Self {
        let target = target.into();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let fault = Arc::new(Mutex::new(Fault::None));
        let faults = Arc::clone(&fault);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), Arc::clone(&faults)));
            }
        });
        Self {
            address,
            fault,
            accepting,
        }
    }

    /// Misbehaves like this from now on, on open connections, too.
    pub fn will(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Shared = Arc<Mutex<Fault>>;

fn now(fault: &Shared) -> Fault {
    *fault.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn carry(client: TcpStream, target: String, fault: Shared) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    // whichever side ends, both do
    tokio::select! {
        () = requests(from_client, to_server, &fault) => {}
        () = answers(from_server, to_client, &fault) => {}
    }
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fault: &Shared,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        match now(fault) {
            Fault::Cut => return,
            Fault::NoRequests => {}
            Fault::None | Fault::SlowAnswers(_) | Fault::NoAnswers => {
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fault: &Shared,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        match now(fault) {
            Fault::NoAnswers => continue,
            Fault::SlowAnswers(by) => tokio::time::sleep(by).await,
            Fault::None | Fault::NoRequests | Fault::Cut => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
