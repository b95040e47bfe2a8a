//! Which calls of the kernel a process may make, as a program of the kernel's own machine (classic BPF).
//!
//! Everything that is not listed fails with `EPERM`. What is listed is what V8, tokio and hyper do once they
//! run: memory, threads, time, waiting, and bytes on descriptors that are open already. Nothing here takes a
//! path, starts a program, looks at another process or makes a socket but TCP's; `connect` is answered by the
//! host ([`crate::host`]).

use libc::{c_long, sock_filter};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Where the kernel puts what a program looks at (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: u32 = 0;

const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
/// As on a kernel that has no such call: who asks knows another way.
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The lower half of an argument after `mask` must be one of `values`.
struct Rule<'a> {
    argument: u32,
    half: Half,
    mask: u32,
    values: &'a [u32],
}

/// Of an argument of 64 bits, on machines that store the lower half first.
#[derive(Clone, Copy)]
enum Half {
    Lower,
    Upper,
}

impl<'a> Rule<'a> {
    fn is(argument: u32, values: &'a [u32]) -> Self {
        Self { argument, half: Half::Lower, mask: u32::MAX, values }
    }

    fn has(argument: u32, mask: u32, values: &'a [u32]) -> Self {
        Self { argument, half: Half::Lower, mask, values }
    }

    /// Two rules: no pointer.
    fn null(argument: u32) -> [Self; 2] {
        [Half::Lower, Half::Upper].map(|half| Self { argument, half, mask: u32::MAX, values: &[0] })
    }
}

#[derive(Default)]
struct Program(Vec<sock_filter>);

impl Program {
    fn push(&mut self, code: u16, k: u32) {
        self.0.push(sock_filter { code, jt: 0, jf: 0, k });
    }

    /// Whether the accumulator equals `k` decides how many instructions are left out.
    fn branch(&mut self, k: u32, equal: usize, other: usize) {
        let short = |jump: usize| u8::try_from(jump).expect("no part of the program is as long");
        self.0.push(sock_filter { code: JUMP_IF_EQUAL, jt: short(equal), jf: short(other), k });
    }

    /// The number of the call is in the accumulator, and stays there for the next.
    fn answer(&mut self, call: c_long, answer: u32) {
        self.branch(number(call), 0, 1);
        self.push(RETURN, answer);
    }

    fn allow(&mut self, calls: &[c_long]) {
        calls.iter().for_each(|call| self.answer(*call, libc::SECCOMP_RET_ALLOW));
    }

    /// Allowed if every rule holds, else refused.
    fn allow_if(&mut self, call: c_long, rules: &[Rule<'_>]) {
        let mut block = Self::default();
        for rule in rules {
            let upper = match rule.half {
                Half::Lower => 0,
                Half::Upper => 4,
            };
            block.push(LOAD, ARGUMENTS_AT + 8 * rule.argument + upper);
            block.push(AND, rule.mask);
            for (index, value) in rule.values.iter().enumerate() {
                // Past the values that are left, and past the refusal.
                block.branch(*value, rule.values.len() - index, 0);
            }
            block.push(RETURN, REFUSED);
        }
        block.push(RETURN, libc::SECCOMP_RET_ALLOW);
        self.branch(number(call), 0, block.0.len());
        self.0.append(&mut block.0);
    }
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("numbers of calls are small")
}

/// The program for the calling process.
pub(super) fn program() -> Vec<sock_filter> {
    let mut program = Program::default();
    program.push(LOAD, ARCHITECTURE_AT);
    program.branch(ARCHITECTURE, 1, 0);
    program.push(RETURN, libc::SECCOMP_RET_KILL_PROCESS);
    program.push(LOAD, NUMBER_AT);
    // Most frequent first.
    program.allow(&[libc::SYS_futex, libc::SYS_epoll_pwait, libc::SYS_write, libc::SYS_read]);
    #[cfg(target_arch = "x86_64")]
    program.allow(&[libc::SYS_epoll_wait, libc::SYS_poll, libc::SYS_time, libc::SYS_dup2, libc::SYS_pipe]);
    program.allow(&MEMORY);
    program.allow(&DESCRIPTORS);
    program.allow(&PROCESS);
    program.answer(libc::SYS_connect, libc::SECCOMP_RET_USER_NOTIF);
    // Its arguments are behind a pointer; the C library falls back to `clone`.
    program.answer(libc::SYS_clone3, UNKNOWN);
    with_arguments(&mut program);
    program.push(RETURN, REFUSED);
    program.0
}

const MEMORY: [c_long; 11] = [
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
];

const DESCRIPTORS: [c_long; 22] = [
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_fstat,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_lseek,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_writev,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
];

const PROCESS: [c_long; 33] = [
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

/// What is harmless with some arguments only.
fn with_arguments(program: &mut Program) {
    let bits = |flags: i32| flags.cast_unsigned();
    // A thread, no process.
    let thread = bits(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND);
    program.allow_if(libc::SYS_clone, &[Rule::has(0, thread, &[thread])]);
    // Signals to itself, which is how a program gives up.
    program.allow_if(libc::SYS_tgkill, &[Rule::is(0, &[std::process::id()])]);
    let inet = [bits(libc::AF_INET), bits(libc::AF_INET6)];
    let stream = [bits(libc::SOCK_STREAM)];
    let kind = !bits(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
    let tcp = [0, bits(libc::IPPROTO_TCP)];
    program.allow_if(libc::SYS_socket, &[Rule::is(0, &inet), Rule::has(1, kind, &stream), Rule::is(2, &tcp)]);
    program.allow_if(
        libc::SYS_socketpair,
        &[Rule::is(0, &[bits(libc::AF_UNIX)]), Rule::has(1, kind, &stream), Rule::is(2, &[0])],
    );
    let levels = [bits(libc::SOL_SOCKET), bits(libc::IPPROTO_TCP)];
    program.allow_if(libc::SYS_setsockopt, &[Rule::is(1, &levels)]);
    // With an address, or this flag, sending would connect past the host.
    let fast = bits(libc::MSG_FASTOPEN);
    let [lower, upper] = Rule::null(4);
    program.allow_if(libc::SYS_sendto, &[Rule::has(3, fast, &[0]), lower, upper]);
    program.allow_if(libc::SYS_sendmsg, &[Rule::has(2, fast, &[0])]);
    descriptor_flags(program);
    let requests = [libc::FIONREAD as u32, libc::FIOCLEX as u32, libc::TCGETS as u32];
    program.allow_if(libc::SYS_ioctl, &[Rule::is(1, &requests)]);
    program.allow_if(
        libc::SYS_prctl,
        &[Rule::is(0, &[bits(libc::PR_SET_NAME), bits(libc::PR_GET_NAME), bits(libc::PR_SET_VMA)])],
    );
    // Reading limits of its own.
    let [lower, upper] = Rule::null(2);
    program.allow_if(libc::SYS_prlimit64, &[Rule::is(0, &[0, std::process::id()]), lower, upper]);
}

/// A socket that waits nowhere stays so: the host connects it, and must not wait instead.
fn descriptor_flags(program: &mut Program) {
    let commands = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];
    let [set, waits_nowhere] = [libc::F_SETFL, libc::O_NONBLOCK].map(i32::cast_unsigned);
    let others = commands.map(i32::cast_unsigned);
    let mut block = Program::default();
    block.push(LOAD, ARGUMENTS_AT + 8);
    for (index, command) in others.iter().enumerate() {
        // To the permission, which follows the check of the one that is left.
        block.branch(*command, others.len() - index - 1 + 4, 0);
    }
    // Command, load, mask, flag, permission, refusal.
    block.branch(set, 0, 4);
    block.push(LOAD, ARGUMENTS_AT + 16);
    block.push(AND, waits_nowhere);
    block.branch(waits_nowhere, 0, 1);
    block.push(RETURN, libc::SECCOMP_RET_ALLOW);
    block.push(RETURN, REFUSED);
    program.branch(number(libc::SYS_fcntl), 0, block.0.len());
    program.0.append(&mut block.0);
}

/// Whether there is a program for this kind of machine.
pub(super) fn is_known() -> bool {
    ARCHITECTURE != 0
}
