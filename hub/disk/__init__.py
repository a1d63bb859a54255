"""Room on the disk: what is given up as it fills so that selling goes on, and what is taken up again as room comes back.

    state      free                         what
    well       at or above every mark       everything
    thin       below thin_below_mib         short stays of visitors and phones by the hour are not written
    stop       below stop_below_mib         no telemetry is taken: devices and broker keep it, nothing of it is acknowledged
    refuse     below refuse_below_mib       imports are refused with 507, the log is kept short
    reserve    below a step of the reserve  the cloud's rows wait at the cloud; sales take the reserve, a step at a time
    full       nothing, and no reserve      writes are refused with 503 `no_space`; look-ups go on
    read_only  -                            writes are refused with 503 `read_only`; look-ups go on
    failing    -                            commits fail otherwise: 503 `outcome_unknown`

A state is left upwards a tenth above its mark. On the way back: commits first, then the reserve, then imports, then telemetry.
"""
