use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// The effect of a [`Proxy`] on the traffic through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No effect.
    None,
    /// Delays each answer by this time.
    SlowAnswers(Duration),
    /// A partition: no data passes in either direction, and neither end is notified. Held data
    /// passes afterwards.
    Stall,
    /// Requests are held until the fault is over; answers pass.
    StallRequests,
    /// Answers are held until the fault is over; requests pass.
    StallAnswers,
    /// Requests pass; answers are lost.
    NoAnswers,
    /// Requests are lost; answers pass.
    NoRequests,
    /// Connections are closed before a request passes.
    Cut,
    /// Open connections are reset at once, new ones as soon as they are accepted.
    Reset,
    /// Requests pass; the connection is reset instead of the answer.
    CutAnswers,
    /// PostgreSQL: a COMMIT passes; the connection is reset instead of its answer.
    CutAtCommit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    fault: Fault,
    /// Incremented by each [`Proxy::silence`]; connections of an earlier generation are silent.
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

impl Fault {
    fn stalls(self, direction: Direction) -> bool {
        match self {
            Self::Stall => true,
            Self::StallRequests => direction == Direction::Requests,
            Self::StallAnswers => direction == Direction::Answers,
            _ => false,
        }
    }

    fn loses(self, direction: Direction) -> bool {
        match self {
            Self::NoAnswers => direction == Direction::Answers,
            Self::NoRequests => direction == Direction::Requests,
            _ => false,
        }
    }
}

/// A TCP proxy on loopback that misbehaves on demand; dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    /// Its own address, `127.0.0.1:port`.
    pub address: String,
    state: watch::Sender<State>,
    hits: Arc<AtomicU64>,
    targets: Targets,
    accepting: JoinHandle<()>,
}

/// The targets of a proxy, the next one first.
#[derive(Debug, Clone, Default)]
struct Targets(Arc<Mutex<Vec<String>>>);

impl Targets {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the targets in turn.
    fn next(&self) -> Option<String> {
        let mut targets = self.lock();
        let next = targets.first().cloned()?;
        targets.rotate_left(1);
        Some(next)
    }
}

impl Proxy {
    /// A proxy to `target`, an address such as `127.0.0.1:5672`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn new(target: impl Into<String>) -> Self {
        let targets = Targets::default();
        targets.lock().push(target.into());
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (state, states) = watch::channel(State {
            fault: Fault::None,
            generation: 0,
        });
        let hits = Arc::new(AtomicU64::new(0));
        let (counter, leads) = (Arc::clone(&hits), targets.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = Connection {
                    generation: states.borrow().generation,
                    state: states.clone(),
                    hits: Arc::clone(&counter),
                    committing: AtomicBool::new(false),
                };
                // without a target, the client's connection is closed
                if let Some(target) = leads.next() {
                    tokio::spawn(connection.carry(client, target));
                }
            }
        });
        Self {
            address,
            state,
            hits,
            targets,
            accepting,
        }
    }

    /// Adds a target; new connections take all targets in turn, like a load balancer.
    pub fn attach(&self, target: impl Into<String>) {
        self.targets.lock().push(target.into());
    }

    /// Removes a target for new connections; open connections stay.
    pub fn detach(&self, target: &str) {
        self.targets.lock().retain(|one| one != target);
    }

    /// Sets the fault from now on, also for open connections.
    pub fn will(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Silences open connections for good, as if a router in between had lost their state; new
    /// connections are not affected.
    pub fn silence(&self) {
        self.hits.fetch_add(1, Ordering::SeqCst);
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Number of losses and cut connections so far.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection {
    state: watch::Receiver<State>,
    generation: u64,
    hits: Arc<AtomicU64>,
    /// Whether a COMMIT has passed that is not answered yet.
    committing: AtomicBool,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Connection {
    async fn carry(self, mut client: TcpStream, target: String) {
        let Ok(mut server) = TcpStream::connect(target).await else {
            return;
        };
        let end = {
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            // the end of either side ends both
            tokio::select! {
                end = self.pass(Direction::Requests, &mut from_client, &mut to_server) => end,
                end = self.pass(Direction::Answers, &mut from_server, &mut to_client) => end,
            }
        };
        if end == End::Reset {
            // without this option the connection is closed instead, which cuts it all the same
            client.set_zero_linger().ok();
            server.set_zero_linger().ok();
        }
    }

    fn hit(&self) -> End {
        self.hits.fetch_add(1, Ordering::SeqCst);
        End::Reset
    }

    async fn pass(
        &self,
        direction: Direction,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> End {
        let mut changes = self.state.clone();
        let mut buffer = vec![0; 16 * 1024];
        let mut lost = false;
        loop {
            let State { fault, generation } = *changes.borrow_and_update();
            let silent = generation != self.generation;
            if fault == Fault::Reset && !silent {
                return self.hit();
            }
            if lost && !fault.loses(direction) {
                // a stream with a gap must not continue
                return End::Reset;
            }
            let read = tokio::select! {
                biased;
                changed = changes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Closed, // the proxy is gone
                },
                read = from.read(&mut buffer), if !(silent || fault.stalls(direction)) => read,
            };
            let Ok(read @ 1..) = read else {
                return End::Closed;
            };
            let bytes = &buffer[..read];
            match fault {
                _ if fault.loses(direction) => {
                    lost = true;
                    self.hits.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                Fault::Cut if direction == Direction::Requests => {
                    self.hit();
                    return End::Closed;
                }
                Fault::CutAnswers if direction == Direction::Answers => return self.hit(),
                Fault::CutAtCommit if direction == Direction::Requests && commits(bytes) => {
                    self.committing.store(true, Ordering::SeqCst);
                }
                Fault::CutAtCommit
                    if direction == Direction::Answers
                        && self.committing.load(Ordering::SeqCst) =>
                {
                    return self.hit();
                }
                Fault::SlowAnswers(by) if direction == Direction::Answers => {
                    tokio::time::sleep(by).await;
                }
                _ => {}
            }
            if to.write_all(bytes).await.is_err() {
                return End::Closed;
            }
        }
    }
}

/// Whether the bytes contain PostgreSQL's simple query `COMMIT`.
fn commits(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"COMMIT\0")
}
