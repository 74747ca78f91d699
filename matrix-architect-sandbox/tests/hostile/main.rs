//! The hostile suite: one table of attempts (`hostile/table`), made on every ground a session can
//! stand on, each with its negative control: the same attempt where what holds it is taken away,
//! and where it must succeed. An attempt that fails everywhere proves nothing.
#![cfg(all(
    feature = "native",
    feature = "docker",
    feature = "bwrap",
    target_os = "linux",
    target_arch = "x86_64"
))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what was tried and held is told")]

#[path = "../common/alone.rs"]
mod alone;
mod attempt;
mod beside;
mod bounded;
mod collector;
mod daemon;
mod ground;
#[path = "../common/image.rs"]
mod image;
mod needs;
mod peeled;
mod probe;
mod proxied;
mod report;
mod stripped;
mod table;
mod world;

use attempt::Kind;
use table::Theme;

/// One test for every theme, on one ground.
macro_rules! ground {
    ($module:ident, $kind:ident: $($test:ident $theme:ident,)*) => {
        mod $module {
            use super::{Kind, Theme, report};
            $(
                #[test]
                fn $test() {
                    let test = concat!(stringify!($module), "::", stringify!($test));
                    report::hold(test, Kind::$kind, Theme::$theme);
                }
            )*
        }
    };
    ($($module:ident $kind:ident,)*) => {
        $(
            ground! {
                $module, $kind:
                kernel Kernel,
                sockets Sockets,
                filesystem Filesystem,
                devices Devices,
                processes Processes,
                resources Resources,
                network Network,
                collection Collection,
                leaks Leaks,
            }
        )*
    };
}

ground! {
    native_as_root Native,
    native_without_root Unprivileged,
    docker Docker,
    bubblewrap Bwrap,
}

#[tokio::test]
async fn what_tests_need_works_natively() {
    needs::met(Kind::Native).await;
}

#[tokio::test]
async fn what_tests_need_works_in_containers() {
    needs::met(Kind::Docker).await;
}

#[tokio::test]
async fn what_tests_need_works_in_bubblewrap() {
    needs::met(Kind::Bwrap).await;
}

/// So few of 20 attempts may be without a control.
const UNCONTROLLED: usize = 2;

#[test]
fn every_ground_faces_enough_attempts_from_published_sources() {
    for kind in [Kind::Native, Kind::Unprivileged, Kind::Docker, Kind::Bwrap] {
        let all: Vec<_> = Theme::ALL
            .into_iter()
            .flat_map(Theme::attempts)
            .filter(|attempt| attempt.is_for(kind))
            .collect();
        let published = all.iter().filter(|attempt| attempt.source.is_published()).count();
        let controlled = all.iter().filter(|attempt| attempt.has_control()).count();
        let alone = all.iter().filter(|attempt| attempt.has_layer_of_its_own()).count();
        println!(
            "{}: {} attempts, {controlled} with a control, {alone} of them with one layer less, \
             {published} from published sources",
            kind.name(),
            all.len(),
        );
        assert!(alone >= 60, "{alone} of {}", all.len());
        assert!(published * 2 >= all.len(), "{published} of {}", all.len());
        assert!((all.len() - controlled) * 20 <= all.len() * UNCONTROLLED, "{controlled}");
        let names: std::collections::BTreeSet<_> = all.iter().map(|attempt| attempt.name).collect();
        assert_eq!(names.len(), all.len(), "each has a name of its own");
        assert!(all.iter().all(|attempt| !attempt.held_by.is_empty()));
    }
}
