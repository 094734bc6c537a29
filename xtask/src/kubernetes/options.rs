//! What a control plane is to be.

/// What a control plane is to be.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) nodes: u32,
    pub(super) users: Vec<(String, Vec<String>)>,
    pub(super) pods: bool,
    pub(super) aegis: bool,
}

impl Default for Options {
    /// One node, whose pods kwok runs, and the user `admin`, who may do everything.
    fn default() -> Self {
        Self {
            nodes: 1,
            users: Vec::new(),
            pods: true,
            aegis: false,
        }
    }
}

impl Options {
    /// So many nodes, `node-1` and so on.
    #[must_use]
    pub const fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// One more user, in those groups beside `system:authenticated`. Nobody may do anything without a
    /// role.
    #[must_use]
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        self.users.push((name.to_owned(), groups));
        self
    }

    /// Somebody else writes the status of pods and ends them; kwok minds the nodes alone.
    #[must_use]
    pub const fn without_kubelet(mut self) -> Self {
        self.pods = false;
        self
    }

    /// One with Aegis' two service accounts, their roles and the admission policies, as `deploy/` has them.
    #[must_use]
    pub const fn with_aegis(mut self) -> Self {
        self.aegis = true;
        self
    }

    /// One in which the simulator plays the kubelets and the person who deploys, and Aegis has what
    /// `deploy/` gives it.
    #[must_use]
    pub fn for_the_simulator() -> Self {
        let all = &["system:masters"];
        Self::default()
            .nodes(0)
            .without_kubelet()
            .user("kubelet", all)
            .user("deployer", all)
            .with_aegis()
    }
}
