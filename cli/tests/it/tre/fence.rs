//! Three machines in one: network namespaces for hub, relay and runner, with only the outbound directions open.

use std::process::{Command, Output, Stdio};

/// Where the hub listens, in every namespace of a fence.
pub(crate) const HUB_PORT: u16 = 8787;
/// Where the relay's link listens.
pub(crate) const LINK_PORT: u16 = 8790;
/// The hub as the outside world sees it, and as the relay does.
pub(crate) const HUB_OUTSIDE: &str = "10.213.87.2";
pub(crate) const HUB: &str = "10.213.87.6";
/// The relay towards the hub, and towards the runner.
pub(crate) const RELAY: &str = "10.213.87.5";
pub(crate) const LINK: &str = "10.213.87.9";
pub(crate) const RUNNER: &str = "10.213.87.10";

/// The namespaces. They are removed when this value goes.
pub(crate) struct Fence {
    tag: String,
}

fn run(line: &str) -> Output {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = Command::new(words[0]);
    let output = command.args(&words[1..]).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn must(line: &str) -> Result<(), String> {
    let output = run(line);
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

impl Fence {
    /// Puts them up, or says why this machine does not allow it.
    pub(crate) fn build() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root makes network namespaces".to_owned());
        }
        for program in ["ip", "nft"] {
            let is_there = Command::new(program).arg("-V").output().is_ok();
            if !is_there {
                return Err(format!("the program {program} is missing"));
            }
        }
        let fence = Self {
            tag: format!("{:x}", std::process::id()),
        };
        fence.lay()?;
        fence.shut()?;
        Ok(fence)
    }

    /// The name of the namespace of `hub`, `relay` or `runner`.
    fn space(&self, who: &str) -> String {
        format!("daybook-{}-{who}", self.tag)
    }

    /// The words before a program that runs there.
    pub(crate) fn within(&self, who: &str) -> Vec<String> {
        let space = self.space(who);
        ["ip", "netns", "exec", &space].map(str::to_owned).to_vec()
    }

    /// Addresses and cables: outside to hub, relay to hub, runner to relay. Nobody has a route to anywhere else.
    fn lay(&self) -> Result<(), String> {
        let tag = &self.tag;
        for who in ["hub", "relay", "runner"] {
            let space = self.space(who);
            must(&format!("ip netns add {space}"))?;
            must(&format!("ip -n {space} link set lo up"))?;
        }
        let (hub, relay, runner) = (self.space("hub"), self.space("relay"), self.space("runner"));
        let cables = [
            (
                None,
                format!("o{tag}"),
                "10.213.87.1",
                Some(&hub),
                format!("w{tag}"),
                HUB_OUTSIDE,
            ),
            (
                Some(&relay),
                format!("h{tag}"),
                RELAY,
                Some(&hub),
                format!("r{tag}"),
                HUB,
            ),
            (
                Some(&runner),
                format!("u{tag}"),
                RUNNER,
                Some(&relay),
                format!("l{tag}"),
                LINK,
            ),
        ];
        for (one, one_name, one_address, other, other_name, other_address) in cables {
            must(&format!(
                "ip link add {one_name} type veth peer name {other_name}"
            ))?;
            for (space, name, address) in [(one, one_name, one_address), (other, other_name, other_address)] {
                let at = space.map_or_else(String::new, |space| format!("-n {space} "));
                if let Some(space) = space {
                    must(&format!("ip link set {name} netns {space}"))?;
                }
                must(&format!("ip {at}addr add {address}/30 dev {name}"))?;
                must(&format!("ip {at}link set {name} up"))?;
            }
        }
        Ok(())
    }

    /// The firewalls: what is open is said, all else is dropped.
    fn shut(&self) -> Result<(), String> {
        let tag = &self.tag;
        let hub = ("hub", vec![format!("input tcp dport {HUB_PORT}")]);
        let relay = (
            "relay",
            vec![
                format!("input iifname l{tag} tcp dport {LINK_PORT}"),
                format!("output oifname h{tag} tcp dport {HUB_PORT}"),
            ],
        );
        let runner = (
            "runner",
            vec![format!("output oifname u{tag} tcp dport {LINK_PORT}")],
        );
        for (who, open) in [hub, relay, runner] {
            let nft = |rule: &str| {
                let space = self.space(who);
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &space, "nft"]);
                // Braces and semicolons are words of nft's own, and are not split.
                let output = command.arg(rule).output().map_err(|error| error.to_string())?;
                if output.status.success() {
                    return Ok(());
                }
                Err(format!(
                    "{rule}: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ))
            };
            nft("add table inet fence")?;
            for (chain, own) in [("input", "iif"), ("output", "oif")] {
                nft(&format!(
                    "add chain inet fence {chain} {{ type filter hook {chain} priority 0; policy drop; }}"
                ))?;
                nft(&format!("add rule inet fence {chain} {own} lo accept"))?;
                nft(&format!(
                    "add rule inet fence {chain} ct state established,related accept"
                ))?;
            }
            for rule in open {
                nft(&format!("add rule inet fence {rule} accept"))?;
            }
        }
        Ok(())
    }

    /// Whether a connection can be opened from one of them to an address.
    pub(crate) fn reaches(&self, from: &str, address: &str, port: u16) -> bool {
        let within = self.within(from);
        let script = format!("exec 3<>/dev/tcp/{address}/{port}");
        let mut command = Command::new(&within[0]);
        command.args(&within[1..]);
        command.args(["timeout", "2", "bash", "-c", &script]);
        command.stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        for who in ["hub", "relay", "runner"] {
            // Its cables go with it.
            run(&format!("ip netns del {}", self.space(who)));
        }
    }
}
