//! Fault injection for development: a loopback port through which the storefront's demo panel, and
//! its tests, kill and start processes and make payments slow, silent or unreachable.
//!
//! Only a foreground `cargo xtask up` opens the port. It accepts calls only from the storefront's
//! own pages.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use servers::Result;
use tiny_http::{Header, Method, Request, Response, Server};

use crate::Doing;

const SLOW: Duration = Duration::from_secs(2);
const MODES: [&str; 4] = ["ok", "slow", "silent", "down"];

/// A proxy between payments and all its callers.
#[derive(Debug, Clone)]
pub(crate) struct Payments {
    /// The proxy's own address.
    pub(crate) address: String,
    mode: Arc<AtomicU8>,
}

impl Payments {
    /// A proxy to `target`, an address such as `127.0.0.1:8081`.
    pub(crate) fn before(target: String) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("open a port before payments")?;
        let address = listener.local_addr().doing("open a port before payments")?;
        let mode = Arc::new(AtomicU8::new(0));
        let modes = Arc::clone(&mode);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, mode) = (target.clone(), Arc::clone(&modes));
                std::thread::spawn(move || carry(client, &target, &mode));
            }
        });
        Ok(Self {
            address: address.to_string(),
            mode,
        })
    }

    fn mode(&self) -> &'static str {
        name(&self.mode)
    }

    /// Sets the fault from now on, also for open connections. Returns false for an unknown mode.
    fn set(&self, mode: &str) -> bool {
        let known = (0u8..).zip(MODES).find(|(_, known)| *known == mode);
        if let Some((number, _)) = known {
            self.mode.store(number, Ordering::Relaxed);
        }
        known.is_some()
    }
}

fn name(mode: &AtomicU8) -> &'static str {
    let number = usize::from(mode.load(Ordering::Relaxed));
    MODES.get(number).copied().unwrap_or("ok")
}

fn carry(client: TcpStream, target: &str, mode: &Arc<AtomicU8>) {
    let Ok(server) = TcpStream::connect(target) else {
        return;
    };
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let modes = Arc::clone(mode);
    std::thread::spawn(move || {
        pass(client_too, server_too, |_| name(&modes) != "down");
    });
    pass(server, client, |answer| match name(mode) {
        "down" => false,
        "silent" => {
            answer.clear();
            true
        }
        "slow" => {
            std::thread::sleep(SLOW);
            true
        }
        _ => true,
    });
}

/// Forwards the bytes that `allow` leaves, until `allow` returns false or a side closes; then
/// closes both sides.
pub(crate) fn pass(mut from: TcpStream, mut to: TcpStream, allow: impl Fn(&mut Vec<u8>) -> bool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..read].to_vec();
        if !allow(&mut bytes) || to.write_all(&bytes).is_err() {
            break;
        }
    }
    for side in [from, to] {
        // it may be closed already
        side.shutdown(Shutdown::Both).ok();
    }
}

/// A requested action on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Kill,
    Start,
}

/// The port for fault injection.
pub(crate) struct Control {
    server: Server,
    payments: Payments,
    /// Origins whose pages may call.
    origins: Vec<String>,
}

impl Control {
    pub(crate) fn open(payments: Payments) -> Result<Self> {
        let server = Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(|error| {
            servers::Error(format!("could not open a port for faults: {error}"))
        })?;
        Ok(Self {
            server,
            payments,
            origins: Vec::new(),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    pub(crate) fn allow(&mut self, origins: &str) {
        self.origins = origins.split(',').map(str::to_owned).collect();
    }

    /// Waits for a call and performs it: `act` for a process, or a new mode for payments. The
    /// answer is the current state, by `states`.
    pub(crate) fn serve<S>(
        &self,
        wait: Duration,
        system: &mut S,
        act: impl FnOnce(&mut S, &str, Deed) -> Result<()>,
        states: impl FnOnce(&S) -> Vec<(&'static str, bool)>,
    ) {
        let Ok(Some(request)) = self.server.recv_timeout(wait) else {
            return;
        };
        let Some(origin) = self.caller(&request) else {
            answer(
                request,
                403,
                "only the storefront's own pages may call",
                "null",
            );
            return;
        };
        if *request.method() == Method::Options {
            answer(request, 204, "", &origin);
            return;
        }
        let path = request.url().to_owned();
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let done = match (request.method(), parts.as_slice()) {
            (Method::Get, ["state"]) => Ok(()),
            (Method::Post, ["payments", mode]) if self.payments.set(mode) => Ok(()),
            (Method::Post, ["processes", name, "kill"]) => act(system, name, Deed::Kill),
            (Method::Post, ["processes", name, "start"]) => act(system, name, Deed::Start),
            _ => Err(servers::Error(format!("there is nothing at {path}"))),
        };
        match done {
            Ok(()) => {
                let processes: Vec<_> = states(system)
                    .into_iter()
                    .map(|(name, runs)| json!({"name": name, "runs": runs}))
                    .collect();
                let state = json!({"payments": self.payments.mode(), "processes": processes});
                answer(request, 200, &state.to_string(), &origin);
            }
            Err(error) => answer(request, 409, &error.to_string(), &origin),
        }
    }

    /// The origin of the call, if the call is allowed. Browsers name the origin, and send a
    /// preflight request because of our header.
    fn caller(&self, request: &Request) -> Option<String> {
        let header = |name: &'static str| {
            let found = request
                .headers()
                .iter()
                .find(|header| header.field.equiv(name));
            found.map(|header| header.value.as_str().to_owned())
        };
        let host = header("host").unwrap_or_default();
        // a page of another site may resolve its own name to this address
        let local = host.starts_with("127.0.0.1:") || host.starts_with("localhost:");
        let asks = *request.method() == Method::Options || header("x-demo").is_some();
        let origin = header("origin").unwrap_or_default();
        let ours = origin.is_empty() || self.origins.contains(&origin);
        (local && asks && ours).then_some(origin)
    }
}

fn answer(request: Request, status: u16, body: &str, origin: &str) {
    let mut response = Response::from_string(body).with_status_code(status);
    let headers = [
        ("Content-Type", "application/json"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Headers", "x-demo"),
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Vary", "Origin"),
    ];
    for (name, value) in headers {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    if let Err(error) = request.respond(response) {
        eprintln!("a call for a fault was not answered: {error}");
    }
}
