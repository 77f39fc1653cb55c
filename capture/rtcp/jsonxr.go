package rtcp

// extended writes the blocks of the part's XR packets: the first VoIP metrics
// block under the keys that collectors chart, everything else as a list.
func (o *object) extended(part []byte) {
	var first []byte // the block that is written apart, by its data
	for w := Walk(part); first == nil; {
		p, ok := w.Next()
		if !ok {
			break
		}
		for it := p.Blocks(); first == nil; {
			b, ok := it.Next()
			if !ok {
				break
			}
			if m, ok := b.VoIPMetrics(); ok {
				first = b.Data
				o.summary(&m)
				o.open("voip_metrics", '{')
				o.metrics(&m)
				o.close('}')
			}
		}
	}
	found := false
	for w := Walk(part); ; {
		p, ok := w.Next()
		if !ok {
			break
		}
		for it := p.Blocks(); ; {
			b, ok := it.Next()
			if !ok {
				break
			}
			if first != nil && len(b.Data) > 0 && &b.Data[0] == &first[0] {
				continue
			}
			if !found {
				o.uint("xr_ssrc", uint64(p.SSRC()))
				o.open("xr_information", '[')
			}
			found = true
			o.element()
			o.block(b)
			o.close('}')
		}
	}
	if found {
		o.close(']')
	}
}

// summary writes the part of the VoIP metrics that heplify and captagent have
// always sent.
func (o *object) summary(m *VoIPMetrics) {
	o.open("report_blocks_xr", '{')
	o.uint("type", BlockVoIPMetrics)
	o.uint("id", uint64(m.SSRC))
	o.uint("fraction_lost", uint64(m.LossRate))
	o.uint("fraction_discard", uint64(m.DiscardRate))
	o.uint("burst_density", uint64(m.BurstDensity))
	o.uint("gap_density", uint64(m.GapDensity))
	o.uint("burst_duration", uint64(m.BurstDuration))
	o.uint("gap_duration", uint64(m.GapDuration))
	o.uint("round_trip_delay", uint64(m.RoundTripDelay))
	o.uint("end_system_delay", uint64(m.EndSystemDelay))
	o.close('}')
}

// metrics writes all VoIP metrics.
func (o *object) metrics(m *VoIPMetrics) {
	o.uint("ssrc", uint64(m.SSRC))
	o.uint("loss_rate", uint64(m.LossRate))
	o.uint("discard_rate", uint64(m.DiscardRate))
	o.uint("burst_density", uint64(m.BurstDensity))
	o.uint("gap_density", uint64(m.GapDensity))
	o.uint("burst_duration", uint64(m.BurstDuration))
	o.uint("gap_duration", uint64(m.GapDuration))
	o.uint("round_trip_delay", uint64(m.RoundTripDelay))
	o.uint("end_system_delay", uint64(m.EndSystemDelay))
	if m.SignalLevel != Unavailable {
		o.int("signal_level", int64(m.SignalLevel))
	}
	if m.NoiseLevel != Unavailable {
		o.int("noise_level", int64(m.NoiseLevel))
	}
	o.available("rerl", m.RERL)
	o.uint("gmin", uint64(m.Gmin))
	o.available("r_factor", m.RFactor)
	o.available("ext_r_factor", m.ExtRFactor)
	o.mos("mos_lq", m.MOSLQ)
	o.mos("mos_cq", m.MOSCQ)
	o.uint("rx_config", uint64(m.RXConfig))
	o.uint("jb_nominal", uint64(m.JBNominal))
	o.uint("jb_maximum", uint64(m.JBMaximum))
	o.uint("jb_abs_max", uint64(m.JBAbsMax))
}

func (o *object) available(name string, n uint8) {
	if n != Unavailable {
		o.uint(name, uint64(n))
	}
}

// mos writes a MOS of ten times its value as a number with one decimal.
func (o *object) mos(name string, n uint8) {
	if n == Unavailable {
		return
	}
	o.uint(name, uint64(n/10))
	o.dst = append(o.dst, '.', '0'+n%10)
}

// block writes one XR block of any type.
func (o *object) block(b Block) {
	o.uint("type", uint64(b.Type))
	if m, ok := b.VoIPMetrics(); ok {
		o.metrics(&m)
		return
	}
	if s, ok := b.Statistics(); ok {
		o.statistics(&s)
		return
	}
	if sec, frac, ok := b.RRTR(); ok {
		o.uint("ntp_timestamp_sec", uint64(sec))
		o.uint("ntp_timestamp_usec", uint64(frac))
		return
	}
	if ssrc, begin, end, ok := b.sequence(); ok {
		o.uint("source_ssrc", uint64(ssrc))
		o.uint("begin_seq", uint64(begin))
		o.uint("end_seq", uint64(end))
		o.uint("thinning", uint64(b.Specific&0x0f))
	}
	if b.Type == BlockDLRR {
		o.open("sub_blocks", '[')
		for i := 0; ; i++ {
			ssrc, last, delay, ok := b.DLRR(i)
			if !ok {
				break
			}
			o.element()
			o.uint("source_ssrc", uint64(ssrc))
			o.uint("lrr", uint64(last))
			o.uint("dlrr", uint64(delay))
			o.close('}')
		}
		o.close(']')
		return
	}
	o.uint("octets", uint64(len(b.Data)))
}

func (o *object) statistics(s *Statistics) {
	o.uint("source_ssrc", uint64(s.SSRC))
	o.uint("begin_seq", uint64(s.BeginSeq))
	o.uint("end_seq", uint64(s.EndSeq))
	if s.HasLoss {
		o.uint("lost_packets", uint64(s.Lost))
	}
	if s.HasDuplicates {
		o.uint("dup_packets", uint64(s.Duplicates))
	}
	if s.HasJitter {
		o.uint("min_jitter", uint64(s.MinJitter))
		o.uint("max_jitter", uint64(s.MaxJitter))
		o.uint("mean_jitter", uint64(s.MeanJitter))
		o.uint("dev_jitter", uint64(s.DevJitter))
	}
	if s.TTL != 0 {
		o.uint("min_ttl", uint64(s.MinTTL))
		o.uint("max_ttl", uint64(s.MaxTTL))
		o.uint("mean_ttl", uint64(s.MeanTTL))
		o.uint("dev_ttl", uint64(s.DevTTL))
	}
}
