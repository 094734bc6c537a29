//! What a person does from a terminal through the gateway: sign in, look, approve, stop.

mod acts;
mod approvals;
mod explain;
mod incidents;
mod orders;
mod output;
mod regroup;
mod row;
mod sign_in;
mod tail;

pub use acts::{KillSwitch, Undo};
pub use approvals::Approvals;
pub use explain::Explain;
pub use incidents::Incidents;
pub use orders::{Freeze, SetMode, Unfreeze, parse_mode};
pub use sign_in::{Login, logout, password};
pub use tail::Tail;
