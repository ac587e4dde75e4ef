//! A network in which each process has an address of its own, like containers and pods.
//!
//! It lives in the namespaces that `unshare` gave to this program and does not affect the machine's
//! own network.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use servers::Result;

use super::Container;
use crate::{Doing, debian::quiet, fail, faults::pass};

/// The servers' address; the processes' addresses follow it.
const SERVERS: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 1);
const FIRST_PROCESS: u8 = 10;

pub(super) struct Network {
    addresses: BTreeMap<String, Ipv4Addr>,
}

impl Network {
    /// Creates a bridge, and a network namespace for each container.
    pub(super) fn new(containers: &[Container]) -> Result<Self> {
        fs::create_dir_all("/run/netns").doing("make /run/netns")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "tmpfs", "/run/netns"]);
        quiet(mount, "mount /run/netns")?;
        ip("link set lo up")?;
        ip("link add shop0 type bridge")?;
        ip(&format!("addr add {SERVERS}/24 dev shop0"))?;
        ip("link set shop0 up")?;
        let mut addresses = BTreeMap::new();
        for (name, last) in containers.iter().map(|one| &one.name).zip(FIRST_PROCESS..) {
            let address = Ipv4Addr::new(10, 89, 0, last);
            ip(&format!("netns add {name}"))?;
            ip(&format!(
                "link add veth{last} type veth peer name eth0 netns {name}"
            ))?;
            ip(&format!("link set veth{last} master shop0 up"))?;
            ip(&format!("-n {name} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            addresses.insert(name.clone(), address);
        }
        Ok(Self { addresses })
    }

    /// A process's address.
    pub(super) fn address(&self, name: &str) -> Result<Ipv4Addr> {
        let address = self.addresses.get(name).copied();
        address.map_or_else(|| fail(format!("there is no {name} in this network")), Ok)
    }

    /// `/etc/hosts` of a container: other containers at their addresses, and the servers.
    pub(super) fn hosts(&self, container: &Container) -> String {
        let others = container.hosts.iter().map(|(host, target)| {
            let address = self.addresses.get(target).unwrap_or(&SERVERS);
            format!("{address} {host}\n")
        });
        "127.0.0.1 localhost\n".to_owned() + &others.collect::<String>()
    }

    /// The network namespace of a container.
    pub(super) fn namespace(name: &str) -> PathBuf {
        PathBuf::from("/run/netns").join(name)
    }
}

/// Forwards `port` at the servers' address to a server on this machine's loopback.
pub(super) fn forward(port: u16, url: &str) -> Result<()> {
    let authority = url.split("://").nth(1).unwrap_or(url);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let target = authority.split('/').next().unwrap_or(authority).to_owned();
    let listener = listen(port)?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            carry(client, &target);
        }
    });
    Ok(())
}

/// Starts a mail server that accepts and counts every mail.
pub(super) fn serve_mails(port: u16) -> Result<MailServer> {
    let listener = listen(port)?;
    let server = MailServer::default();
    let taken = Arc::clone(&server.0);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let taken = Arc::clone(&taken);
            // a client that disconnects loses only its own mail
            std::thread::spawn(move || converse(&client, &taken).ok());
        }
    });
    Ok(server)
}

#[derive(Default)]
pub(super) struct MailServer(Arc<AtomicUsize>);

impl MailServer {
    /// Number of accepted mails so far.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Implements as much of SMTP (RFC 5321) as one client needs.
fn converse(client: &TcpStream, taken: &AtomicUsize) -> std::io::Result<()> {
    let mut say = client;
    say.write_all(b"220 mail\r\n")?;
    let mut in_mail = false;
    for line in BufReader::new(client).lines() {
        let line = line?;
        if in_mail {
            if line == "." {
                in_mail = false;
                taken.fetch_add(1, Ordering::SeqCst);
                say.write_all(b"250 taken\r\n")?;
            }
            continue;
        }
        let verb = line.split(' ').next().unwrap_or_default();
        let answer: &[u8] = match verb.to_ascii_uppercase().as_str() {
            "DATA" => {
                in_mail = true;
                b"354 go on\r\n"
            }
            "QUIT" => {
                say.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 mail\r\n",
        };
        say.write_all(answer)?;
    }
    Ok(())
}

fn carry(client: TcpStream, target: &str) {
    let Ok(server) = TcpStream::connect(target) else {
        return;
    };
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    std::thread::spawn(move || pass(client_too, server_too, |_| true));
    std::thread::spawn(move || pass(server, client, |_| true));
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((SERVERS, port)).doing(&format!("listen on {SERVERS}:{port}"))
}

fn ip(arguments: &str) -> Result<()> {
    let mut ip = Command::new("ip");
    ip.args(arguments.split(' '));
    quiet(ip, &format!("ip {arguments}"))
}
