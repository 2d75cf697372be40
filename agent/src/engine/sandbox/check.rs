//! Whether the sandbox works here, tried for real.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Sandbox, SandboxError};
use crate::engine::job::RunLimits;
use crate::engine::local::{self, Line, Program};

/// How long the trial may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Lists the network interfaces that are there, one a line.
const LOOK: &str = "while IFS=: read -r name rest; do [ -n \"$rest\" ] && echo $name; done < /proc/net/dev";

impl Sandbox {
    /// Runs a small program behind the wall and looks what it sees.
    ///
    /// # Errors
    /// [`SandboxError`], which says what to do.
    pub async fn check(&self) -> Result<(), SandboxError> {
        let failed = |error: &dyn std::error::Error| SandboxError::NotAllowed(error.to_string());
        let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
        let place = local::empty(self, folder.path()).map_err(|error| failed(&error))?;
        let program = Program {
            path: Path::new("/bin/sh"),
            readable: Vec::new(),
            variables: Vec::new(),
            nests: false,
        };
        let line = Line::default().words(["-c", LOOK]);
        let (limits, stop) = (RunLimits::default(), CancellationToken::new());
        let finished = local::run(self, &program, line, &place, (&limits, LIMIT, &stop))
            .await
            .map_err(|error| failed(&error))?;
        if !finished.status.success() {
            let said = String::from_utf8_lossy(&finished.stderr).into_owned();
            let last = said.lines().next_back().unwrap_or("it did not say why");
            return Err(SandboxError::NotAllowed(last.to_owned()));
        }
        let seen = String::from_utf8_lossy(&finished.stdout).into_owned();
        let others: Vec<&str> = seen
            .split_whitespace()
            .filter(|name| *name != "lo" && !is_idle_tunnel(name))
            .collect();
        if self.is_offline() && !others.is_empty() {
            return Err(SandboxError::Leaks(others.join(", ")));
        }
        Ok(())
    }
}

/// Tunnel devices that some kernels put into every new namespace; without a route nothing leaves by them.
fn is_idle_tunnel(name: &str) -> bool {
    const TUNNELS: [&str; 8] = [
        "erspan0", "gre0", "gretap0", "ip6_vti0", "ip6gre0", "ip6tnl0", "sit0", "tunl0",
    ];
    TUNNELS.contains(&name) || name == "ip_vti0"
}
