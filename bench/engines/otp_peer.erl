%% The works of the bench as Erlang gen_servers, on one scheduler.
%% Prints: work ops wall_us cpu_us bytes_per_actor p50_us p99_us
-module(otp_peer).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).

init(State) -> {ok, State}.

handle_call(_, _, State) -> {reply, 1, State}.

handle_cast({goal, Count, Whom}, _) -> {noreply, {Count, Whom}};
handle_cast(hit, {1, Whom}) -> Whom ! reached, {noreply, {0, Whom}};
handle_cast(hit, {Count, Whom}) -> {noreply, {Count - 1, Whom}};
handle_cast({tally, Sink}, State) -> gen_server:cast(Sink, hit), {noreply, State};
handle_cast({next, Pid}, _) -> {noreply, Pid};
handle_cast({hop, 0, Whom}, State) -> Whom ! reached, {noreply, State};
handle_cast({hop, Left, Whom}, Next) ->
    gen_server:cast(Next, {hop, Left - 1, Whom}), {noreply, Next}.

sink(Count) ->
    {ok, Sink} = gen_server:start(?MODULE, {Count, self()}, []),
    Sink.

reached() -> receive reached -> ok end.

clock(Work, Ops, Fun) ->
    erlang:garbage_collect(),
    {Cpu0, _} = statistics(runtime),
    T0 = erlang:monotonic_time(nanosecond),
    Fun(),
    T1 = erlang:monotonic_time(nanosecond),
    {Cpu1, _} = statistics(runtime),
    io:format("~s ~p ~p ~p 0 0 0~n", [Work, Ops, (T1 - T0) / 1000, (Cpu1 - Cpu0) * 1000]).

times(0, _) -> ok;
times(N, Fun) -> Fun(), times(N - 1, Fun).

bounded(0, _) -> ok;
bounded(N, Sink) ->
    case N rem 1024 of 0 -> gen_server:call(Sink, room); _ -> ok end,
    gen_server:cast(Sink, hit),
    bounded(N - 1, Sink).

main([Work | _]) -> work(Work), halt(0).

work("tell") ->
    Ops = 2000000, Sink = sink(Ops),
    clock("tell", Ops, fun() -> times(Ops, fun() -> gen_server:cast(Sink, hit) end), reached() end);
work("send") ->
    Ops = 2000000, Sink = sink(Ops),
    clock("send", Ops, fun() -> bounded(Ops, Sink), reached() end);
work("fan_in") ->
    Ops = 2000000, Sink = sink(Ops),
    clock("fan_in", Ops, fun() ->
        times(100, fun() -> spawn(fun() -> bounded(Ops div 100, Sink) end) end), reached() end);
work("fan_out") ->
    Actors = 10000, Rounds = 20, Ops = Actors * Rounds, Sink = sink(Ops),
    All = [sink(0) || _ <- lists:seq(1, Actors)],
    clock("fan_out", Ops, fun() ->
        times(Rounds, fun() -> [gen_server:cast(A, {tally, Sink}) || A <- All] end), reached() end);
work("ask_1") ->
    Ops = 100000, Sink = sink(0),
    clock("ask_1", Ops, fun() -> times(Ops, fun() -> gen_server:call(Sink, get) end) end);
work("ask_100") ->
    Ops = 500000, Sink = sink(0), Me = self(),
    clock("ask_100", Ops, fun() ->
        times(100, fun() -> spawn(fun() ->
            times(Ops div 100, fun() -> gen_server:call(Sink, get) end), Me ! done end) end),
        times(100, fun() -> receive done -> ok end end) end);
work("ring") ->
    Ops = 1000000, All = [sink(0) || _ <- lists:seq(1, 1000)],
    [gen_server:cast(A, {next, B}) || {A, B} <- lists:zip(All, tl(All) ++ [hd(All)])],
    Me = self(),
    clock("ring", Ops, fun() -> gen_server:cast(hd(All), {hop, Ops, Me}), reached() end);
work("spawn") ->
    Ops = 100000, Sink = sink(Ops),
    clock("spawn", Ops, fun() ->
        times(Ops, fun() -> gen_server:cast(sink(0), {tally, Sink}) end), reached() end);
work("memory") ->
    Actors = 100000,
    Before = erlang:memory(processes),
    All = [sink(0) || _ <- lists:seq(1, Actors)],
    Bytes = (erlang:memory(processes) - Before) / Actors,
    io:format("memory ~p 0 0 ~p 0 0~n", [length(All), Bytes]).
