//! The node: it runs what is stored as Pods, says how they do, and ends them.

mod end;
mod follow;
mod life;
mod node;
mod prepare;
mod running;
mod status;

pub(crate) use follow::code;
pub(crate) use node::Kubelet;
pub(crate) use running::Started;
