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
            raise LookupError(f"mutant {self.name!r}: {file}.lua does not hold {missing}: rewrite the mutant")
        return reduce(lambda text, change: text.replace(*change), self.changes, source)


def _mutant(name: str, file: str, *texts: str) -> Mutant:
    return Mutant(name, file, tuple(zip(texts[::2], texts[1::2], strict=True)))


MUTANTS = (
    # Leases and fencing tokens.
    _mutant("no fencing check", "include/leases", " and trial.fencing_token == tonumber(fencing_token)", ""),
    _mutant(
        "fencing token not bumped",
        "include/leases",
        "progress.next_fence = trial.fencing_token + 1",
        "progress.next_fence = progress.next_fence",
    ),
    _mutant(
        "fencing token does not keep up with the clock",
        "include/leases",
        "math.max(progress.next_fence, search.now_us)",
        "progress.next_fence",
    ),
    _mutant(
        "starts where it was told",
        "include/leases",
        "trial.checkpoint_length, trial.checkpoint_length, worker",
        "trial.length, trial.length, worker",
    ),
    _mutant("requeued trials served last come first", "include/leases", "'RPUSH'", "'LPUSH'"),
    _mutant("reclaim ignores the deadline", "ask", "'-inf', search.now_ms,", "'-inf', '+inf',"),
    _mutant("deadline not reached yet", "ask", "'-inf', search.now_ms,", "'-inf', '(' .. search.now_ms,"),
    _mutant(
        "expired leases cost no restart",
        "ask",
        "restart(search, number, load_trial(search, number), 'lease expired')",
        "requeue(search, number, load_trial(search, number))",
    ),
    _mutant("released without end", "include/endings", "trial.returns > FREE_RETURNS", "false"),
    _mutant("progress sets no return back", "include/trials", "= length, 0, 0", "= length, 0, trial.returns"),
    _mutant("progress sets no restart back", "include/trials", "= length, 0, 0", "= length, trial.restarts, 0"),
    _mutant(
        "a shorter checkpoint is progress",
        "include/trials",
        "(further and (first or checkpoint))",
        "checkpoint or (further and first)",
    ),
    _mutant(
        "the same length again is progress",
        "include/trials",
        "(further and (first or checkpoint))",
        "first or (further and checkpoint)",
    ),
    _mutant("a counted return begins a new row", "include/endings", "trial.returns = in_a_row", "local _ = in_a_row"),
    _mutant("three returns are free", "include/endings", "FREE_RETURNS = 2", "FREE_RETURNS = 3"),
    _mutant("a decision counts as a return", "include/replies", "trial.returns = 0", "local _ = 0"),
    # Trainings that end themselves, and the brake.
    _mutant(
        "finished at its rung waits for a worker", "include/rung_decisions", "not in_top and training_over", "false"
    ),
    _mutant(
        "finished waits in a pause",
        "include/rung_decisions",
        "not training_over and in_top and hindrance",
        "in_top and hindrance",
    ),
    _mutant("finished stays in its rung", "include/rung_decisions", "if in_top and", "if false and"),
    _mutant("a finished trial waits for a worker", "include/results", " or trial.state == TrialState.completed", ""),
    _mutant("finished is promoted as dead", "include/results", "trial.entries[trial.rung + 1]:sub(1, 8)", "DEAD"),
    _mutant(
        "finished is judged where rungs stop",
        "include/rung_decisions",
        "search.plan.form == DecisionForm.stop and",
        "false and",
    ),
    _mutant(
        "an earlier result does not stand",
        "tell",
        "#result.reports == 0 and trial.points == 0",
        "#result.reports == 0 and trial.length == 0",
    ),
    _mutant("a brake that never bites", "include/endings", "progress.failures < most", "true"),
    _mutant("a brake that bites after results", "include/endings", "progress.trained > 0 or ", ""),
    _mutant(
        "expiries slip past the brake",
        "ask",
        "if progress.state == ExperimentState.paused then\n  save(search)",
        "if false then\n  save(search)",
    ),
    _mutant(
        "the brake holds on after a resume",
        "include/endings",
        "progress.failing, progress.failures = nil, nil",
        "progress.failing = nil",
    ),
    _mutant(
        "what users stop is a failure",
        "include/endings",
        "if outcome ~= Outcome.stopped then count_failure",
        "if true then count_failure",
    ),
    _mutant("seventeen reclaimed per ask", "ask", "'LIMIT', 0, 16)", "'LIMIT', 0, 17)"),
    _mutant(
        "one restart too many",
        "include/endings",
        "trial.restarts > search.plan.max_restarts",
        "trial.restarts > search.plan.max_restarts + 1",
    ),
    _mutant(
        "tell does not renew",
        "tell",
        "renew(search, result.number))",
        "search.now_ms + search.plan.lease_ms)",
    ),
    _mutant("heartbeat without a lease", "heartbeat", "not trial or not holds(trial, ARGV[2 * i + 2])", "not trial"),
    _mutant("heartbeat makes a revision", "heartbeat", "save(search)", "search.changed = true save(search)"),
    _mutant(
        "release costs a restart",
        "include/endings",
        "else\n    requeue(search, number, trial)",
        "else\n    trial.restarts = trial.restarts + 1 requeue(search, number, trial)",
    ),
    # Best checkpoints.
    _mutant(
        "a later checkpoint takes the place of the best",
        "include/checkpoints",
        "if best_checkpoint_of(trial) ~= kept then",
        "if false then",
    ),
    _mutant(
        "a name that comes again is still that of the best",
        "include/checkpoints",
        "best == checkpoint and",
        "false and",
    ),
    _mutant(
        "a better result keeps the best checkpoint",
        "include/reports",
        "if trial.best_checkpoint then",
        "if false then",
    ),
    _mutant(
        "a worse result of that length has the best checkpoint",
        "include/checkpoints",
        "is_best and ranked(trial.metric) == ranked(trial.best_key)",
        "is_best",
    ),
    _mutant(
        "a checkpoint before the last result is of it",
        "include/checkpoints",
        "length == trial.length and length == trial.best_length",
        "length == trial.best_length",
    ),
    # Budget and order of service.
    _mutant("cap off by one", "include/next_work", "search.live >= search.plan.cap", "search.live > search.plan.cap"),
    _mutant("started not given back", "fail", "started[index] = started[index] - 1", ""),
    _mutant(
        "one trial too many",
        "ask",
        "store_suggestions(search,",
        "if progress.next_trial == 2 then search.counts.started[1] = 1 end store_suggestions(search,",
    ),
    _mutant(
        "share is the number of leases",
        "include/next_work",
        "live[index] * share[least] < live[least] * share[index]",
        "live[index] < live[least]",
    ),
    _mutant(
        "lowest rung promoted first",
        "include/promotions",
        "'ZRANGEBYLEX', PROMOTABLE, '[' .. from, last,",
        "'ZREVRANGEBYLEX', PROMOTABLE, last, '[' .. from,",
    ),
    _mutant(
        "new trials before promotions",
        "include/next_work",
        "while bracket do\n",
        "while bracket do if trials_left(search, bracket) > 0 then return new_trial(search, bracket) end\n",
    ),
    _mutant("done while some are requeued", "include/endings", "search.requeued > 0 or ", ""),
    _mutant("done while some are promotable", "include/endings", " or search.promotable > 0", ""),
    # Rungs.
    _mutant(
        "top-k one too wide",
        "include/results",
        "return numbers, rank < after, entry",
        "return numbers, rank <= after and not is_top(search, bracket, rung), entry",
    ),
    _mutant("quota rounds up", "include/rungs", "math.floor(size / plan.divisor)", "math.ceil(size / plan.divisor)"),
    _mutant(
        "sync rule waits for one more",
        "include/rungs",
        "ladder.passes[at] - ladder.planned[at]",
        "ladder.passes[at] - ladder.planned[at] - 1",
    ),
    _mutant(
        "sync rule promotes one too early",
        "include/rungs",
        "size + ladder.passes[at] - ladder.planned[at]",
        "math.min(ladder.passes[at], size + ladder.passes[at] - ladder.planned[at] + 1)",
    ),
    _mutant(
        "ties go to the newest",
        "include/results",
        "struct.pack('>I4', search.progress.next_entry)",
        "struct.pack('>I4', 4294967295 - search.progress.next_entry)",
    ),
    _mutant(
        "a displaced result stays promotable",
        "include/top_k",
        "after == before then\n    leave_top(",
        "after == before then\n    tostring(",
    ),
    _mutant(
        "no other trial becomes promotable",
        "include/top_k",
        "after > before then\n    take_in(",
        "after > before then\n    tostring(",
    ),
    _mutant("promoted twice", "include/results", "if trial.rung > rung then return end", ""),
    _mutant("dead ranks best", "include/endings", "number, trial, DEAD)", "number, trial, string.rep('\\0', 8))"),
    _mutant(
        "the dead block a rung",
        "include/results",
        "if has_ended(trial) then return promote_ended(search, number, trial) end",
        "if has_ended(trial) then return end",
    ),
    _mutant("invalid results stay", "include/results", "redis.call('ZREM', RUNGS, member)", "local _ = member"),
    _mutant(
        "a removal makes no trial promotable",
        "include/top_k",
        "after == before then\n    take_in(",
        "after == before then\n    tostring(",
    ),
    _mutant(
        "a removal leaves the top-k wide",
        "include/top_k",
        "after < before then\n    leave_top(",
        "after < before then\n    tostring(",
    ),
    _mutant(
        "equal rungs are trained for",
        "include/next_work",
        "trial.next_length <= trial.length then",
        "trial.next_length < trial.length then",
    ),
    _mutant(
        "a pause takes nobody out",
        "include/rung_decisions",
        "search.progress.state == ExperimentState.paused",
        "search.progress.state == 'none'",
    ),
    _mutant(
        "stopping counts ties against",
        "include/stopping",
        "rung_prefix(bracket, rung) .. key)",
        "rung_prefix(bracket, rung) .. key .. string.rep('\\255', 9))",
    ),
    _mutant(
        "stopping lets nobody first",
        "include/stopping",
        "math.max(math.floor(size / search.plan.divisor), 1)",
        "math.floor(size / search.plan.divisor)",
    ),
    _mutant(
        "a stopped search still ranks",
        "include/rung_decisions",
        "undecided = not search_over",
        "undecided = true",
    ),
    # Requests and metrics.
    _mutant(
        "no request is remembered",
        "include/requests",
        "redis.call('HSET', younger, field, kept)",
        "local _ = kept",
    ),
    _mutant(
        "no CONTINUE is remembered",
        "include/replies",
        "if trial.request ~= id then return nil end",
        "if true then return nil end",
    ),
    _mutant("a remembered decision is of another kind", "include/replies", "word_of(kept[1])", "'stop'"),
    _mutant(
        "a remembered decision has no numbers",
        "include/events",
        "code_of(list[at]), unpack(list, at + 1)",
        "code_of(list[at]), list[at + 1]",
    ),
    _mutant(
        "the best is always the last", "include/trials", "trial.best_key ~= trial.metric and trial.best_key", "false"
    ),
    _mutant("an id serves any request", "include/requests", "kept[1] ~= packed_fingerprint(fingerprint)", "false"),
    _mutant("best takes NaN", "include/reports", "report.key == DEAD or ", ""),
    _mutant("best is the last of equals", "include/reports", "report.key >= ranked(", "report.key > ranked("),
    _mutant("lengths may repeat", "include/reports", "length <= before", "length < before"),
    _mutant("lengths beyond the assignment", "include/reports", " or length > trial.to_length", ""),
    # Targets and queues.
    _mutant(
        "NaN reaches any target",
        "include/rung_decisions",
        "report.key > search.plan.target",
        "(report.key > search.plan.target and report.key ~= DEAD)",
    ),
    _mutant(
        "as good as the target is not enough",
        "include/rung_decisions",
        "report.key > search.plan.target",
        "report.key >= search.plan.target",
    ),
    _mutant(
        "a target reached ends nothing",
        "include/rung_decisions",
        "search.progress.state, search.progress.target_reached = ExperimentState.done, true",
        "search.progress.target_reached = true",
    ),
    _mutant(
        "the enqueued are not popped",
        "include/suggestions",
        "redis.call('LPOP', ENQUEUED)",
        "redis.call('LINDEX', ENQUEUED, 0)",
    ),
    _mutant(
        "the enqueued are served last come first",
        "include/suggestions",
        "redis.call('LPOP', ENQUEUED)",
        "redis.call('RPOP', ENQUEUED)",
    ),
    _mutant(
        "more enqueued than there is room for",
        "enqueue",
        "startable(search) <= search.enqueued",
        "startable(search) < search.enqueued",
    ),
    _mutant(
        "an enqueue has no memory", "enqueue", "remember(search, request, fingerprint, answer)", "local _ = fingerprint"
    ),
    # Populations.
    _mutant(
        "a round ends one result early",
        "include/rungs",
        "size == ladder.planned[at] and",
        "size >= ladder.planned[at] - 1 and",
    ),
    _mutant("a round promotes one", "include/results", "for i = 1, top do", "for i = top, top do"),
    _mutant(
        "the last of a round is promotable twice", "include/results", "~= newcomer then", "~= newcomer or top == 1 then"
    ),
    _mutant(
        "the dead are cloned",
        "include/clones",
        "if trial.state ~= TrialState.failed and trial.state ~= TrialState.stopped then",
        "if trial then",
    ),
    _mutant("one clone too many", "include/results", "clones or 0 do", "clones + 1 or 0 do"),
    _mutant("each is cloned once at most", "include/results", "and clones or 0 do", "and #parents or 0 do"),
    _mutant("an ended round is cloned after a stop", "include/results", "and not is_over(search) and", "and"),
    _mutant(
        "a clone starts afresh",
        "include/clones",
        "trial.length, trial.reached = parent[4], parent[5], parent[5], parent[5]",
        "trial.length, trial.reached = '', 0, 0, 0",
    ),
    _mutant("a clone starts at the bottom", "include/clones", "= parent[2] + 1, parent", "= 0, parent"),
    _mutant(
        "a clone is not counted",
        "include/clones",
        "trial.rung, trial.parent =",
        "search.counts.started[bracket + 1], trial.rung, trial.parent = 0,",
    ),
    _mutant(
        "a clone keeps its parent's configuration",
        "include/clones",
        "trial.config, trial.changed = configs[number], true",
        "trial.changed = true",
    ),
    _mutant("requeued trials hide clones", "include/clones", "search.requeued >= count", "search.requeued > 0"),
    _mutant("clones served last come first", "include/clones", "'RPUSH'", "'LPUSH'"),
    _mutant("a clone is handed out as any other", "include/next_work", "trial.fencing_token == 0 and", "false and"),
    _mutant("done while clones are to come", "include/endings", "#clones > 0", "false"),
    _mutant("an invalid clone is not replaced", "fail", "if trial.parent and not is_over(search)", "if false"),
    _mutant(
        "an invalid clone is replaced after a stop",
        "fail",
        "trial.parent and not is_over(search)",
        "trial.parent",
    ),
    _mutant(
        "a past round is forgotten",
        "fail",
        "search.plan.rule == PromotionRule.population and (trial.entries[trial.rung] or '') ~= ''",
        "false",
    ),
    # Entries, budgets, and trials that go on after the last new one.
    _mutant("higher entries open at once", "include/entries", "now or counts.sizes[top] > 0", "true"),
    _mutant(
        "nothing is learned",
        "include/shares",
        "if learns and",
        "if whose == 'sources' and learns and",
    ),
    _mutant(
        "the dead have credit",
        "include/credit",
        "if s and not (member:byte(3) == 255 and member:sub(3, 10) == DEAD) then",
        "if s then",
    ),
    _mutant(
        "results of elsewhere are credited", "include/learn_entries", "origin - s ~= 32 * Source.elsewhere", "true"
    ),
    _mutant("the best have no more credit", "include/credit", "beaten * beaten", "1"),
    _mutant("all credit is of the lowest entry", "include/results", "string.char(trial.origin)", "string.char(0)"),
    _mutant(
        "shares count from the beginning",
        "include/shares",
        "counts[whose]:sub(5 * count + 1, 11 * count))",
        "whose == 'entries' and string.rep('\\0', 6 * count) or counts[whose]:sub(5 * count + 1, 11 * count))",
    ),
    _mutant("shares are learned after each result", "include/shares", "math.floor(0.03 * learned)", "0"),
    _mutant("shares are never learned again", "include/shares", "math.floor(0.03 * learned)", "9 * learned"),
    _mutant("credit is kept when others are the best", "include/credit", "or last ~= last_of_best(first)", ""),
    _mutant("credit is kept while there are few results", "include/credit", "or kept_size < enough", ""),
    _mutant(
        "credit is kept when a rung has more results", "include/credit", "if kept_size ~= size then", "if false then"
    ),
    _mutant("credit is kept when another rung is looked at", "include/credit", "kept_rung ~= rung or", ""),
    _mutant(
        "credit is kept when a trial turns out to be invalid",
        "include/credit",
        "or invalid ~= invalid_trials(search)",
        "",
    ),
    _mutant(
        "credit of sources is kept",
        "include/learn_sources",
        "'sources', count, 0, results",
        "'sources', count, 0, 0",
        "'sources', 0, results",
        "'sources', 0, 0",
    ),
    _mutant(
        "a rate is weighed by its cube", "include/learn_entries", "rate * rate * rate * rate", "rate * rate * rate"
    ),
    _mutant("nothing stays as at first", "include/learn_entries", "0.9 * share + 0.1 * first[s]", "share"),
    _mutant(
        "no training is given back",
        "include/leases",
        "spend(search, trial, trial.length - trial.to_length)",
        "spend(search, trial, 0)",
    ),
    _mutant(
        "a promotion costs nothing",
        "include/rung_decisions",
        "spend(search, trial, trial.next_length - trial.to_length)",
        "spend(search, trial, 0)",
    ),
    _mutant("a spent budget is not spent", "include/budget", "spent >= ladder.budget", "spent > ladder.budget"),
    _mutant(
        "promoted beyond the budget", "include/rung_decisions", "return out_of_budget(search) and", "return false and"
    ),
    _mutant("hours never end", "include/budget", "search.now_ms >= counts.deadline", "false"),
    _mutant(
        "the end waits for what the budget does not pay",
        "include/endings",
        "if out_of_budget(search) then",
        "if false then",
    ),
    _mutant("done while some wait to go on", "include/endings", " or (search.waiting or 0) > 0", ""),
    _mutant(
        "the lowest rung goes on first",
        "include/waiting",
        "'ZRANGEBYLEX', PROMOTABLE, first, last,",
        "'ZREVRANGEBYLEX', PROMOTABLE, last, first,",
    ),
    _mutant("nobody waits to go on", "include/rung_decisions", "      keep_waiting(search, number, trial)\n", ""),
    _mutant(
        "who goes blindly keeps its entry",
        "include/waiting",
        "trial.origin = trial.origin - entry_of(trial.origin) + blind",
        "",
    ),
    _mutant(
        "the best goes blindly", "include/waiting", "local at = -1 - drawn_below(search, count)", "local at = -count"
    ),
    # What training costs.
    _mutant("no cost counts", "tell", "if count then count(search, result, trial) end", ""),
    _mutant("all cost is of the lowest entry", "include/costs", "entry_of(origin) + 1", "1"),
    _mutant("no source has a cost", "include/costs", "if cost and s then", "if false then"),
    _mutant("a cost is of the whole length", "include/costs", "report.length - before", "report.length"),
    _mutant(
        "a cost is of all since the last one",
        "include/costs",
        "    before = report.length\n",
        "    before = cost and report.length or before\n",
    ),
    _mutant(
        "what was told with a cost counts by length, too",
        "include/costs",
        "spent[s] - own.told[s] + told",
        "spent[s] + told",
    ),
    _mutant(
        "what was not told is shared by cost, too",
        "include/costs",
        "spent[s] - own.told[s] + told * (own.cost[s] / cost)",
        "spent[s] * (own.cost[s] / cost)",
    ),
    _mutant(
        "costs grow beyond all numbers",
        "include/costs",
        "math.min(costs.cost[s] + cost, MOST_COST)",
        "costs.cost[s] + cost",
    ),
    _mutant(
        "what was used since then is by length", "include/used", "since, costs.before, costs", "since, costs, costs"
    ),
    _mutant(
        "what is learned is by length",
        "include/learn_entries",
        "used_now(search, 'entries', #first)",
        "spent_in(counts.entries, #first)",
    ),
    _mutant(
        "what is learned of sources is by length",
        "include/learn_sources",
        "used_now(search, 'sources', #first)",
        "spent_in(search.counts.sources, #first)",
    ),
    _mutant(
        "a cost is the first value told",
        "include/costs",
        "if names[place + 1] == '' then at[i] = 8 * j - 7 end",
        "if j == 1 then at[i] = 1 end",
    ),
    # Fronts of several objectives.
    _mutant("equal results dominate each other", "include/fronts", "if better then", "if better ~= nil then"),
    _mutant("only the last of a front dominates", "include/fronts", "objectives <= 2 and #front or 1", "#front"),
    _mutant(
        "a violation makes no front of its own",
        "include/fronts",
        "first, violation = #fronts + 1",
        "first, violation = 1",
    ),
    _mutant(
        "a violation does not count",
        "include/fronts",
        "for m = 0, objectives do\n      if",
        "for m = 1, objectives do\n      if",
    ),
    _mutant(
        "the net is of raw values",
        "include/fronts",
        "span > 0 and (result[m] / 2 - least / 2) / span or 0",
        "result[m]",
    ),
    _mutant(
        "the net takes the last of equally far ones", "include/fronts", "near[i] > near[at]", "near[i] >= near[at]"
    ),
    _mutant(
        "the net is far from the last one alone",
        "include/fronts",
        "if distance < near[i] then near[i] = distance end",
        "near[i] = distance",
    ),
    _mutant("no net", "include/fronts", "math.min(most, #front)", "math.min(most, #front, 1)"),
    _mutant("the net goes on in later fronts", "include/fronts", "math.max(0, most - #order)", "most"),
    _mutant(
        "every result is compared",
        "include/objectives",
        "last + 1 - math.min(size, Size.most_compared)",
        "last + 1 - size",
    ),
    _mutant(
        "one less is compared",
        "include/objectives",
        "math.min(size, Size.most_compared), last",
        "math.min(size, Size.most_compared - 1), last",
    ),
    _mutant(
        "the oldest are compared",
        "include/objectives",
        "last + 1 - math.min(size, Size.most_compared), last",
        "last + 1 - size, last - math.max(0, size - Size.most_compared)",
    ),
    _mutant("those that rank last go up", "include/objectives", "i <= quota and each[0] < math.huge", "i <= quota"),
    _mutant("who is outranked stays listed", "include/objectives", "if #listed > 0 then", "if false then"),
    _mutant("the top ranks as other rungs", "include/objectives", "top and trial.objectives:sub(-bytes)", "false"),
    _mutant(
        "rank and front change places",
        "include/objectives",
        "struct.pack('>I4I4', rank, ranked_entry.front)",
        "struct.pack('>I4I4', ranked_entry.front, rank)",
    ),
    _mutant(
        "a training that ends needs no final objective",
        "include/vectors",
        "(result.finished or last.length >= top)",
        "last.length >= top",
    ),
    _mutant("what violates is the best", "include/reports", "report.key == DEAD or report.unfit", "report.key == DEAD"),
    _mutant(
        "of those that wait the worst goes on",
        "include/waiting",
        "rank_entries(search, entries, 1)[1]",
        "rank_entries(search, entries, 1)[#entries]",
    ),
    # Sources of configurations.
    _mutant(
        "models begin at once",
        "include/sources",
        "if size >= least then return true end",
        "if true then return true end",
    ),
    _mutant("the first source is always chosen", "include/shares", "chosen, furthest = s, lag", "furthest = lag"),
    _mutant(
        "shares of sources count from the beginning",
        "include/shares",
        "counts[whose]:sub(5 * count + 1, 11 * count))",
        "whose == 'sources' and string.rep('\\0', 6 * count) or counts[whose]:sub(5 * count + 1, 11 * count))",
    ),
    _mutant("no source learns", "include/sources", "sources.learns, true", "false, true"),
    _mutant("the rate of a source is squared", "include/learn_sources", "weight[s] = rate * rate *", "weight[s] ="),
    _mutant("nothing of a source is kept", "include/learn_sources", "KEPT = 2, 0.4", "KEPT = 2, 0"),
    _mutant(
        "promotions cost a source nothing",
        "include/budget",
        "if ladder.entries or ladder.sources then",
        "if (ladder.entries or ladder.sources) and trial.rung == 0 then",
    ),
    _mutant("a stock lasts forever", "propose", "math.max(4, math.floor(0.15 * made))", "1e9"),
    _mutant("a stock grows old at once", "propose", "math.max(4, math.floor(0.15 * made))", "1"),
    _mutant(
        "a proposal is used twice",
        "include/new_from_source",
        "redis.call('HGET', CONFIGS, field), used + 1\n    redis.call('HDEL', CONFIGS, field)",
        "redis.call('HGET', CONFIGS, field), used + (used % 2)",
    ),
    _mutant("a proposed point is used again", "include/new_from_source", "not is_point_free(search, found)", "false"),
    _mutant(
        "an ask trusts the lanes though what is there is too old",
        "include/missing",
        "search.progress.next_entry < lasts",
        "true",
    ),
    _mutant(
        "a proposal that is taken is still counted",
        "include/new_from_source",
        "math.min(filled - used, struct.unpack('>I4', counts.stock))",
        "struct.unpack('>I4', counts.stock)",
    ),
    _mutant(
        "the lane of the chosen source is not looked at",
        "include/missing",
        "(in_stock(search, chosen) > 0 and",
        "(true and",
    ),
    _mutant(
        "the lane of those that train long is not looked at",
        "include/missing",
        "or in_stock(search, #codes + 1) > 0",
        "or true",
    ),
    _mutant(
        "what was chosen ahead holds for all",
        "include/sources",
        "ahead and ahead.numbers == counts.sources and ahead.results == search.progress.next_entry",
        "ahead",
    ),
    _mutant(
        "looking ahead changes the shares",
        "include/sources",
        "counts.sources, counts.sources_costs, search.ahead = numbers, costs, ahead",
        "search.ahead = nil",
    ),
    _mutant("the source is not kept", "include/new_from_source", "trial.origin = 32 * code", "trial.origin = 0"),
    _mutant("the last one with a number is kept", "propose", "local new = 8 + drawn - first", "local new = 8"),
    _mutant("a gap is closed", "propose", "first <= drawn and", ""),
    _mutant("a used point is proposed", "propose", "is_free(search, ARGV[i])", "true"),
    _mutant(
        "the sampler has no way of its own", "include/top_k", "if sources and sources.protects and", "if false and"
    ),
    _mutant(
        "all have a way of their own",
        "include/protect",
        "if source_in(entry) ~= Source.sampler then return nil end",
        "",
    ),
    _mutant(
        "the displaced stay promotable among their own",
        "include/protect",
        "own_rank(search, bracket, rung, entry) <",
        "-1 <",
    ),
    _mutant(
        "an invalid one fills its rung", "include/results", "passed[at] = passed[at] - 1", "passed[at] = passed[at]"
    ),
    _mutant("no rung is ever full", "include/promotions", "or not search.ladder.sources.bounded then", "or true then"),
    _mutant(
        "a newcomer takes the room of a better one",
        "include/promotions",
        "return entry and redis",
        "return nil and redis",
    ),
    _mutant(
        "a full rung promotes at once",
        "include/rung_decisions",
        "or is_full(search, bracket, rung, entry) and",
        "or false and",
    ),
    _mutant(
        "a full rung promotes before new trials",
        "include/promotions",
        "until full or not is_full(",
        "until true or not is_full(",
    ),
    _mutant("a full rung never promotes", "include/next_work", "return pick(search, last_entry, true)", "return nil"),
    _mutant(
        "the own ones make no more room",
        "include/protect",
        "quota + math.max(0, own_slots(",
        "quota + math.min(0, own_slots(",
    ),
    _mutant("those in both top-ks count twice", "include/protect", "bracket, rung) - in_both)", "bracket, rung))"),
    _mutant(
        "nobody enters the top among the own",
        "include/results",
        "after_adding(search, bracket, rung, own.entry,",
        "tostring(search, bracket, rung, own.entry,",
    ),
    _mutant(
        "an invalid one stays among the own",
        "include/results",
        "own.change(search, bracket, rung, entry, 'ZREM')",
        "nil",
    ),
    _mutant("a clone is the sampler's", "include/clones", "load_trial(search, parent[1]).origin", "0"),
    # Known results.
    _mutant("a known result was trained", "enqueue_known", "progress.trained = trained --", "--"),
    _mutant("a known result counts at the bottom", "enqueue_known", "trial.rung = rung", "rung = 0"),
    _mutant("a known result keeps its slot", "enqueue_known", "if in_top and not stops then", "if false then"),
    _mutant("a known result takes an enqueued trial", "enqueue_known", "startable(search) <= search.enqueued", "false"),
    _mutant("a known result reaches no target", "enqueue_known", "report.key <= search.plan.target", "false"),
    # Finite spaces.
    _mutant("a used point is used again", "include/points", "or tonumber(uses) > points.passes", ""),
    _mutant(
        "an invalid point is used again",
        "include/points",
        "uses == 'invalid' or tonumber(uses) > points.passes",
        "(tonumber(uses) or 0) > points.passes",
    ),
    _mutant("an enqueued point stays free", "enqueue", "use_point(search, config)", "true, 0"),
    _mutant("a used point may be enqueued", "enqueue", "if not free then", "if false then"),
    _mutant(
        "all points are never used",
        "include/points",
        "if points.left == 0 then next_pass(search) end\n  return true",
        "return true",
    ),
    _mutant(
        "a pass begins where the last one ended",
        "include/points",
        "for at = points.at, math.min(first, progress.proposed) - 1",
        "for at = 1, 0",
        "points.at, progress.proposed = first, math.max(first, progress.proposed)",
        "",
    ),
    _mutant("an invalid point comes back", "fail", "if search.counts.points and not trial.parent", "if false"),
    _mutant("an invalid point of a grid is replaced", "include/points", "if points.samples > 0 then", "if false then"),
    _mutant("an invalid point loses all its trials", "include/points", "- (uses - enqueued) + 1", ""),
    _mutant("an earlier trial of an invalid point is replaced", "include/points", "points.samples > 0 and 1 or 0", "0"),
    _mutant("an invalid point stays enqueued", "include/points", "redis.call('LREM', ENQUEUED, 0, trial.config)", "0"),
    _mutant(
        "an invalid point was always used",
        "include/points",
        "if tonumber(uses) > points.passes then return end",
        "do return end",
    ),
    _mutant(
        "an invalid point was never used", "include/points", "if tonumber(uses) > points.passes then return end", ""
    ),
    _mutant(
        "a search without a point left never ends",
        "include/endings",
        "trials_left(search, index - 1) > 0",
        "search.counts.started[index] < search.ladder.trials[index]",
    ),
)
