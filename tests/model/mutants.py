"""Seeded mistakes in the Lua scripts: each one that the tests of this folder would not notice is a hole in them."""

from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True)
class Mutant:
    """A mistake: in `file`, each text `before` of `changes` becomes `after`."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]

    def transform(self, file: str, source: str) -> str:
        """The mistaken source, for the script loader. Raises LookupError when the text to change is not there."""
        if file != self.file:
            return source
        if missing := [before for before, _ in self.changes if before not in source]:
            raise LookupError(f"mutant {self.name!r}: {file}.lua does not hold {missing}: write the mutant anew")
        return reduce(lambda text, change: text.replace(*change), self.changes, source)


def _mutant(name: str, file: str, *texts: str) -> Mutant:
    return Mutant(name, file, tuple(zip(texts[::2], texts[1::2], strict=True)))


MUTANTS = (
    # Leases and fencing tokens.
    _mutant("no fencing check", "include/lease", " and trial.fence == tonumber(fence)", ""),
    _mutant(
        "fence not bumped",
        "include/lease",
        "tally.next_fence = trial.fence + 1",
        "tally.next_fence = tally.next_fence",
    ),
    _mutant(
        "fence does not keep up with the clock",
        "include/lease",
        "math.max(tally.next_fence, x.micros)",
        "tally.next_fence",
    ),
    _mutant(
        "starts where it was told",
        "include/lease",
        "trial.checkpoint_length, trial.checkpoint_length, worker",
        "trial.length, trial.length, worker",
    ),
    _mutant("line served last come first", "include/lease", "'RPUSH'", "'LPUSH'"),
    _mutant("reclaim ignores the deadline", "include/candidates", "'-inf', x.now,", "'-inf', '+inf',"),
    _mutant("deadline not reached yet", "include/candidates", "'-inf', x.now,", "'-inf', '(' .. x.now,"),
    _mutant(
        "expired leases cost no restart",
        "include/candidates",
        "restart(x, number, load_trial(x, number), 'lease expired')",
        "requeue(x, number, load_trial(x, number))",
    ),
    _mutant("given back for ever", "include/give_back", "trial.returns > FREE_RETURNS", "false"),
    _mutant("progress sets no return back", "include/progress", "= length, 0, 0", "= length, 0, trial.returns"),
    _mutant("progress sets no restart back", "include/progress", "= length, 0, 0", "= length, trial.restarts, 0"),
    _mutant(
        "a shorter checkpoint is progress",
        "include/progress",
        "(further and (first or checkpoint))",
        "checkpoint or (further and first)",
    ),
    _mutant(
        "the same length again is progress",
        "include/progress",
        "(further and (first or checkpoint))",
        "first or (further and checkpoint)",
    ),
    _mutant("a counted return begins a new row", "include/give_back", "trial.returns = in_a_row", "local _ = in_a_row"),
    _mutant("three returns are free", "include/give_back", "FREE_RETURNS = 2", "FREE_RETURNS = 3"),
    _mutant("a decision counts as a return", "include/finish", "trial.returns = 0", "local _ = 0"),
    # Trainings that end themselves, and the brake.
    _mutant("finished at its rung waits for a worker", "include/decide_promote", "not passes and over", "false"),
    _mutant("finished waits in a pause", "include/decide_promote", " and not over then", " then"),
    _mutant("finished stays in its rung", "include/finish_training", "if passes then", "if false then"),
    _mutant("a finished trial waits for a worker", "include/admit", " or trial.state == 'completed'", ""),
    _mutant("finished goes up as dead", "include/admit", "trial.entries[trial.rung + 1]:sub(1, 8)", "DEAD"),
    _mutant("finished is judged where rungs stop", "include/finish_training", "x.plan.form == 'stop'", "false"),
    _mutant(
        "an earlier result does not stand",
        "tell",
        "#result.reports == 0 and trial.points == 0",
        "#result.reports == 0 and trial.length == 0",
    ),
    _mutant("a brake that never bites", "include/brake", "tally.failures < most", "true"),
    _mutant("a brake that bites after results", "include/brake", "tally.trained > 0 or ", ""),
    _mutant(
        "expires slip past the brake", "ask", "if tally.state == 'paused' then\n  save(x)", "if false then\n  save(x)"
    ),
    _mutant(
        "the brake holds on after a resume",
        "include/brake",
        "x.tally.failing, x.tally.failures = nil, nil",
        "x.tally.failing = nil",
    ),
    _mutant(
        "what users stop is a failure",
        "include/die",
        "if outcome ~= 'stopped' then count_failure",
        "if true then count_failure",
    ),
    _mutant("seventeen reclaimed per ask", "ask", "reclaim(x, 16)", "reclaim(x, 17)"),
    _mutant(
        "one restart too many",
        "include/die",
        "trial.restarts > x.plan.max_restarts",
        "trial.restarts > x.plan.max_restarts + 1",
    ),
    _mutant(
        "tell does not renew",
        "tell",
        "renew(x, result.number))",
        "x.now + x.plan.lease_ms)",
    ),
    _mutant("heartbeat without a lease", "heartbeat", "not trial or not holds(trial, ARGV[2 * i + 2])", "not trial"),
    _mutant("heartbeat makes a revision", "heartbeat", "save(x)", "x.changed = true save(x)"),
    _mutant(
        "release costs a restart",
        "include/give_back",
        "requeue(x, number, trial)",
        "trial.restarts = trial.restarts + 1 requeue(x, number, trial)",
    ),
    # Budget and order of service.
    _mutant("cap off by one", "ask", "x.live >= x.plan.cap", "x.live > x.plan.cap"),
    _mutant("started not given back", "include/outcome", "started[b] = started[b] - 1", ""),
    _mutant(
        "one trial too many",
        "ask",
        "take_proposals(x,",
        "if tally.next_trial == 2 then x.counts.started[1] = 1 end take_proposals(x,",
    ),
    _mutant(
        "share is the number of leases",
        "include/candidates",
        "live[b] * share[least] < live[least] * share[b]",
        "live[b] < live[least]",
    ),
    _mutant(
        "lowest rung promoted first",
        "include/promote",
        "'ZRANGEBYLEX', READY, '[' .. string.char(b), '(' .. string.char(b + 1),",
        "'ZREVRANGEBYLEX', READY, '(' .. string.char(b + 1), '[' .. string.char(b),",
    ),
    _mutant(
        "new trials before promotions",
        "include/pick",
        "local number, trial, why = promote(x, b)",
        "if room(x, b + 1) > 0 then return new_trial(x, b) end local number, trial, why = promote(x, b)",
    ),
    _mutant("done while some wait in line", "include/settle", " or x.queued > 0", ""),
    _mutant("done while some may go up", "include/settle", " or x.ready > 0", ""),
    # Rungs.
    _mutant(
        "zone one too wide",
        "include/place",
        "return why, rank < after, entry",
        "return why, rank <= after and not is_top(x, b, k), entry",
    ),
    _mutant("quota rounds up", "include/rung", "math.floor(n / x.plan.divisor)", "math.ceil(n / x.plan.divisor)"),
    _mutant(
        "sync rule waits for one more",
        "include/rung",
        "x.ladder.passes[at] - x.ladder.planned[at]",
        "x.ladder.passes[at] - x.ladder.planned[at] - 1",
    ),
    _mutant(
        "sync rule lets one up too early",
        "include/rung",
        "n + x.ladder.passes[at] - x.ladder.planned[at]",
        "math.min(x.ladder.passes[at], n + x.ladder.passes[at] - x.ladder.planned[at] + 1)",
    ),
    _mutant(
        "ties go to the newest",
        "include/place",
        "struct.pack('>I4', x.tally.next_entry)",
        "struct.pack('>I4', 4294967295 - x.tally.next_entry)",
    ),
    _mutant(
        "a displaced result may go up", "include/place", "unready(x, b, k, entry_at(x, b, k, after))", "local _ = after"
    ),
    _mutant(
        "nobody else is let up", "include/place", "admit(x, b, k, entry_at(x, b, k, after - 1))", "local _ = after"
    ),
    _mutant("up twice", "include/admit", "if trial.rung > k then return end", ""),
    _mutant("dead ranks best", "include/die", "number, trial, DEAD)", "number, trial, string.rep('\\0', 8))"),
    _mutant(
        "the dead block a rung",
        "include/admit",
        "if has_ended(trial) then return raise_ended(x, number, trial) end",
        "if has_ended(trial) then return end",
    ),
    _mutant("invalid results stay", "include/displace", "redis.call('ZREM', RUNGS, member)", "local _ = member"),
    _mutant(
        "a removal lets nobody up",
        "include/displace",
        "admit(x, b, k, entry_at(x, b, k, after - 1))",
        "local _ = after",
    ),
    _mutant(
        "a removal leaves the zone wide",
        "include/displace",
        "unready(x, b, k, entry_at(x, b, k, after))",
        "local _ = after",
    ),
    _mutant(
        "equal rungs are trained for",
        "include/candidates",
        "trial.next <= trial.length do",
        "trial.next < trial.length do",
    ),
    _mutant(
        "a pause takes nobody out", "include/decide_promote", "x.tally.state == 'paused'", "x.tally.state == 'none'"
    ),
    _mutant(
        "stopping counts ties against",
        "include/place_stop",
        "rung_prefix(b, k) .. key)",
        "rung_prefix(b, k) .. key .. string.rep('\\255', 9))",
    ),
    _mutant(
        "stopping lets nobody first",
        "include/place_stop",
        "math.max(math.floor(x.counts.sizes[slot(x, b, k)] / x.plan.divisor), 1)",
        "math.floor(x.counts.sizes[slot(x, b, k)] / x.plan.divisor)",
    ),
    _mutant("a stopped search still ranks", "include/decide", "if not over and", "if"),
    # Requests and metrics.
    _mutant(
        "no request is remembered",
        "include/remember",
        "redis.call('HSET', young, field, kept)",
        "local _ = kept",
    ),
    _mutant(
        "no CONTINUE is remembered",
        "include/repeats",
        "if trial.request ~= id then return nil end",
        "if true then return nil end",
    ),
    _mutant("a remembered verdict is of another kind", "include/repeats", "word_of(kept[1])", "'stop'"),
    _mutant(
        "a remembered verdict has no numbers",
        "include/words",
        "code_of(list[at]), unpack(list, at + 1)",
        "code_of(list[at]), list[at + 1]",
    ),
    _mutant("the best is always the last", "include/record", "t.best_key ~= t.metric and t.best_key", "false"),
    _mutant("an id serves any request", "include/remember", "kept[1] ~= short(print)", "false"),
    _mutant("best takes NaN", "include/curve", "report.key == DEAD or ", ""),
    _mutant("best is the last of equals", "include/curve", "report.key >= ranked(", "report.key > ranked("),
    _mutant("lengths may repeat", "include/results", "length <= before", "length < before"),
    _mutant("lengths beyond the assignment", "include/results", " or length > trial.to", ""),
    # Targets and queues.
    _mutant(
        "NaN reaches any target",
        "include/decide",
        "report.key > x.plan.target",
        "(report.key > x.plan.target and report.key ~= DEAD)",
    ),
    _mutant(
        "as good as the target is not enough",
        "include/decide",
        "report.key > x.plan.target",
        "report.key >= x.plan.target",
    ),
    _mutant(
        "a target reached ends nothing",
        "include/decide",
        "x.tally.state, x.tally.target_reached = 'done', true",
        "x.tally.target_reached = true",
    ),
    _mutant(
        "the queue is not popped", "include/new_trial", "redis.call('LPOP', QUEUE)", "redis.call('LINDEX', QUEUE, 0)"
    ),
    _mutant(
        "the queue is served last come first",
        "include/new_trial",
        "redis.call('LPOP', QUEUE)",
        "redis.call('RPOP', QUEUE)",
    ),
    _mutant("more queued than there is room for", "enqueue", "startable(x) <= x.wanted", "startable(x) < x.wanted"),
    _mutant("an enqueue has no memory", "enqueue", "remember(x, ARGV[3], print, answer)", "local _ = print"),
    # Populations.
    _mutant(
        "a round ends one result early",
        "include/rung",
        "n == x.ladder.planned[at] and",
        "n >= x.ladder.planned[at] - 1 and",
    ),
    _mutant("a round lets one up", "include/clone", "for i = 1, passes do", "for i = passes, passes do"),
    _mutant("who ends a round goes up twice", "include/clone", "~= newcomer then", "~= newcomer or passes == 1 then"),
    _mutant(
        "the dead are cloned",
        "include/clone",
        "if trial.state ~= 'failed' and trial.state ~= 'stopped' then",
        "if trial then",
    ),
    _mutant("one clone too many", "include/clone", "wanted or 0 do", "wanted + 1 or 0 do"),
    _mutant("each is cloned once at most", "include/clone", "and wanted or 0 do", "and #parents or 0 do"),
    _mutant("an ended round is cloned after a stop", "include/clone", "and not is_over(x) and", "and"),
    _mutant(
        "a clone starts afresh",
        "include/clone",
        "trial.length, trial.reached = parent[4], parent[5], parent[5], parent[5]",
        "trial.length, trial.reached = '', 0, 0, 0",
    ),
    _mutant("a clone starts at the bottom", "include/clone", "= parent[2] + 1, parent", "= 0, parent"),
    _mutant(
        "a clone is not counted",
        "include/clone",
        "trial.rung, trial.parent =",
        "x.counts.started[b + 1], trial.rung, trial.parent = 0,",
    ),
    _mutant(
        "a clone keeps its parent's configuration",
        "include/clone_configs",
        "trial.config, trial.changed = configs[number], true",
        "trial.changed = true",
    ),
    _mutant("the line hides clones", "include/clone_configs", "x.queued >= count", "x.queued > 0"),
    _mutant("clones served last come first", "include/clone_configs", "'RPUSH'", "'LPUSH'"),
    _mutant("a clone is handed out as any other", "include/pick", "trial.fence == 0 and", "false and"),
    _mutant("done while clones are to come", "include/settle", "#x.counts.clones > 0", "false"),
    _mutant("an invalid clone is not replaced", "include/outcome", "if trial.parent and not is_over(x)", "if false"),
    _mutant(
        "an invalid clone is replaced after a stop",
        "include/outcome",
        "trial.parent and not is_over(x)",
        "trial.parent",
    ),
    _mutant(
        "a past round is forgotten",
        "include/outcome",
        "x.plan.rule == 'population' and (trial.entries[trial.rung] or '') ~= ''",
        "false",
    ),
    # Finite spaces.
    _mutant("a used point is used again", "include/points", "or tonumber(uses) > points.passes", ""),
    _mutant(
        "an invalid point is used again",
        "include/points",
        "uses == 'invalid' or tonumber(uses) > points.passes",
        "(tonumber(uses) or 0) > points.passes",
    ),
    _mutant("a queued point stays free", "enqueue", "use_point(x, ARGV[4])", "true, 0"),
    _mutant("a used point may be queued", "enqueue", "if not free then", "if false then"),
    _mutant("all points are never used", "include/points", "if points.left == 0 then next_pass(x) end", ""),
    _mutant(
        "a pass begins where the last one ended",
        "include/points",
        "for at = points.at, math.min(first, tally.proposed) - 1",
        "for at = 1, 0",
        "points.at, tally.proposed = first, math.max(first, tally.proposed)",
        "",
    ),
    _mutant("an invalid point comes back", "include/outcome", "if x.counts.points and not trial.parent", "if false"),
    _mutant("an invalid point of a grid is replaced", "include/spoil", "if points.samples > 0 then", "if false then"),
    _mutant("an invalid point loses all its trials", "include/spoil", "- (uses - queued) + 1", ""),
    _mutant("an earlier trial of an invalid point is replaced", "include/spoil", "points.samples > 0 and 1 or 0", "0"),
    _mutant("an invalid point stays in the queue", "include/spoil", "redis.call('LREM', QUEUE, 0, trial.config)", "0"),
    _mutant(
        "an invalid point was always used",
        "include/spoil",
        "if tonumber(uses) > points.passes then return end",
        "do return end",
    ),
    _mutant(
        "an invalid point was never used", "include/spoil", "if tonumber(uses) > points.passes then return end", ""
    ),
    _mutant(
        "a search without a point left never ends",
        "include/settle",
        "room(x, b) > 0",
        "x.counts.started[b] < x.ladder.trials[b]",
    ),
)
