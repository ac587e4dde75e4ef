//! A mail server that misbehaves on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// An SMTP server on loopback. It treats each mail by the local part of its recipient: it never
/// answers `silent`, refuses `refused` permanently (5xx), and accepts `greylisted` at the third
/// attempt (4xx before). It accepts all other mails, unless it [hangs](MailServer::hangs).
#[derive(Debug)]
pub struct MailServer {
    /// Its address, `127.0.0.1:port`.
    pub address: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Accepted mails, by the recipient's local part.
    taken: Mutex<BTreeMap<String, usize>>,
    /// SMTP dialogues, by the recipient's local part.
    tried: Mutex<BTreeMap<String, usize>>,
    /// Accepted mails, by `Message-ID`.
    copies: Mutex<BTreeMap<String, usize>>,
    answers_silent: AtomicBool,
    hangs: AtomicBool,
}

impl MailServer {
    /// Starts the server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { state.talk(client).await });
            }
        });
        Self { address, state }
    }

    /// Number of accepted mails for this local part.
    pub fn taken(&self, name: &str) -> usize {
        lock(&self.state.taken).get(name).copied().unwrap_or(0)
    }

    /// Number of dialogues for this local part.
    pub fn tried(&self, name: &str) -> usize {
        lock(&self.state.tried).get(name).copied().unwrap_or(0)
    }

    /// Number of accepted copies of each mail, by `Message-ID`.
    pub fn copies(&self) -> BTreeMap<String, usize> {
        lock(&self.state.copies).clone()
    }

    /// From now on the server answers for `silent`, too.
    pub fn answers_silent(&self) {
        self.state.answers_silent.store(true, Ordering::SeqCst);
    }

    /// Whether dialogues hang from now on, for any recipient.
    pub fn hangs(&self, hangs: bool) {
        self.state.hangs.store(hangs, Ordering::SeqCst);
    }
}

impl State {
    async fn talk(&self, client: TcpStream) -> Option<()> {
        let mut client = BufReader::new(client);
        client.write_all(b"220 mail.example\r\n").await.ok()?;
        let (mut name, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if client.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let verb = line.split([' ', ':', '\r']).next()?.to_uppercase();
            let answer = match verb.as_str() {
                "RCPT" => {
                    line.split(['<', '@']).nth(1)?.clone_into(&mut name);
                    let times = add(&self.tried, &name);
                    let silent = name == "silent" && !self.answers_silent.load(Ordering::SeqCst);
                    match name.as_str() {
                        _ if silent || self.hangs.load(Ordering::SeqCst) => {
                            std::future::pending().await
                        }
                        "refused" => "550 <refused@mail.example>: no such mailbox",
                        "greylisted" if times < 3 => {
                            "451 <greylisted@mail.example>: come back later"
                        }
                        _ => "250 ok",
                    }
                }
                "DATA" => {
                    client.write_all(b"354 go on\r\n").await.ok()?;
                    let mut id = None;
                    while line != ".\r\n" {
                        line.clear();
                        if client.read_line(&mut line).await.ok()? == 0 {
                            return None;
                        }
                        let header = line.strip_prefix("Message-ID: ");
                        id = id.or_else(|| header.map(|id| id.trim().to_owned()));
                    }
                    add(&self.taken, &name);
                    add(&self.copies, &id.unwrap_or_default());
                    "250 taken"
                }
                "QUIT" => return client.write_all(b"221 bye\r\n").await.ok(),
                _ => "250 ok",
            };
            let answer = format!("{answer}\r\n");
            client.write_all(answer.as_bytes()).await.ok()?;
        }
    }
}

/// Increments a count; returns its new value.
fn add(counts: &Mutex<BTreeMap<String, usize>>, of: &str) -> usize {
    let mut counts = lock(counts);
    let count = counts.entry(of.to_owned()).or_default();
    *count += 1;
    *count
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
