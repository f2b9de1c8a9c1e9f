//! Free ports on the loopback address.
//!
//! Between looking and listening somebody else may take a port; the caller starts again with another one then.
//! Ports are drawn below the range from which the kernel serves outgoing connections (32768 and up), so only another
//! pool can be in the way.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, anyhow, bail};
use ring::rand::{SecureRandom, SystemRandom};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// With half of the ports taken, all tries fail once in 10^15.
const TRIES: usize = 50;

/// A port on which nothing listens at the moment.
pub fn free_port() -> Result<u16> {
    let random = SystemRandom::new();
    for _ in 0..TRIES {
        let mut bytes = [0; 2];
        random.fill(&mut bytes).map_err(|_| anyhow!("the system's random source failed"))?;
        let port = FIRST + u16::from_ne_bytes(bytes) % COUNT;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} to {}", FIRST + COUNT - 1)
}

/// `wanted` if it is free (kubeconfigs with it may be around), else another one.
pub fn prefer_port(wanted: Option<u16>) -> Result<u16> {
    wanted.filter(|port| is_free(*port)).map_or_else(free_port, Ok)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
