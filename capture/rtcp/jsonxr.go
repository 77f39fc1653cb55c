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
				o.Open("voip_metrics", '{')
				o.metrics(&m)
				o.Close('}')
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
				o.Uint("xr_ssrc", uint64(p.SSRC()))
				o.Open("xr_information", '[')
			}
			found = true
			o.Element()
			o.block(b)
			o.Close('}')
		}
	}
	if found {
		o.Close(']')
	}
}

// summary writes the part of the VoIP metrics that heplify and captagent have
// always sent.
func (o *object) summary(m *VoIPMetrics) {
	o.Open("report_blocks_xr", '{')
	o.Uint("type", BlockVoIPMetrics)
	o.Uint("id", uint64(m.SSRC))
	o.Uint("fraction_lost", uint64(m.LossRate))
	o.Uint("fraction_discard", uint64(m.DiscardRate))
	o.Uint("burst_density", uint64(m.BurstDensity))
	o.Uint("gap_density", uint64(m.GapDensity))
	o.Uint("burst_duration", uint64(m.BurstDuration))
	o.Uint("gap_duration", uint64(m.GapDuration))
	o.Uint("round_trip_delay", uint64(m.RoundTripDelay))
	o.Uint("end_system_delay", uint64(m.EndSystemDelay))
	o.Close('}')
}

// metrics writes all VoIP metrics.
func (o *object) metrics(m *VoIPMetrics) {
	o.Uint("ssrc", uint64(m.SSRC))
	o.Uint("loss_rate", uint64(m.LossRate))
	o.Uint("discard_rate", uint64(m.DiscardRate))
	o.Uint("burst_density", uint64(m.BurstDensity))
	o.Uint("gap_density", uint64(m.GapDensity))
	o.Uint("burst_duration", uint64(m.BurstDuration))
	o.Uint("gap_duration", uint64(m.GapDuration))
	o.Uint("round_trip_delay", uint64(m.RoundTripDelay))
	o.Uint("end_system_delay", uint64(m.EndSystemDelay))
	if m.SignalLevel != Unavailable {
		o.Int("signal_level", int64(m.SignalLevel))
	}
	if m.NoiseLevel != Unavailable {
		o.Int("noise_level", int64(m.NoiseLevel))
	}
	o.available("rerl", m.RERL)
	o.Uint("gmin", uint64(m.Gmin))
	o.available("r_factor", m.RFactor)
	o.available("ext_r_factor", m.ExtRFactor)
	o.mos("mos_lq", m.MOSLQ)
	o.mos("mos_cq", m.MOSCQ)
	o.Uint("rx_config", uint64(m.RXConfig))
	o.Uint("jb_nominal", uint64(m.JBNominal))
	o.Uint("jb_maximum", uint64(m.JBMaximum))
	o.Uint("jb_abs_max", uint64(m.JBAbsMax))
}

func (o *object) available(name string, n uint8) {
	if n != Unavailable {
		o.Uint(name, uint64(n))
	}
}

// mos writes a MOS of ten times its value as a number with one decimal.
func (o *object) mos(name string, n uint8) {
	if n == Unavailable {
		return
	}
	o.Uint(name, uint64(n/10))
	o.B = append(o.B, '.', '0'+n%10)
}

// block writes one XR block of any type.
func (o *object) block(b Block) {
	o.Uint("type", uint64(b.Type))
	if m, ok := b.VoIPMetrics(); ok {
		o.metrics(&m)
		return
	}
	if s, ok := b.Statistics(); ok {
		o.statistics(&s)
		return
	}
	if sec, frac, ok := b.RRTR(); ok {
		o.Uint("ntp_timestamp_sec", uint64(sec))
		o.Uint("ntp_timestamp_usec", uint64(frac))
		return
	}
	if ssrc, begin, end, ok := b.sequence(); ok {
		o.Uint("source_ssrc", uint64(ssrc))
		o.Uint("begin_seq", uint64(begin))
		o.Uint("end_seq", uint64(end))
		o.Uint("thinning", uint64(b.Specific&0x0f))
	}
	if b.Type == BlockDLRR {
		o.Open("sub_blocks", '[')
		for i := 0; ; i++ {
			ssrc, last, delay, ok := b.DLRR(i)
			if !ok {
				break
			}
			o.Element()
			o.Uint("source_ssrc", uint64(ssrc))
			o.Uint("lrr", uint64(last))
			o.Uint("dlrr", uint64(delay))
			o.Close('}')
		}
		o.Close(']')
		return
	}
	o.Uint("octets", uint64(len(b.Data)))
}

func (o *object) statistics(s *Statistics) {
	o.Uint("source_ssrc", uint64(s.SSRC))
	o.Uint("begin_seq", uint64(s.BeginSeq))
	o.Uint("end_seq", uint64(s.EndSeq))
	if s.HasLoss {
		o.Uint("lost_packets", uint64(s.Lost))
	}
	if s.HasDuplicates {
		o.Uint("dup_packets", uint64(s.Duplicates))
	}
	if s.HasJitter {
		o.Uint("min_jitter", uint64(s.MinJitter))
		o.Uint("max_jitter", uint64(s.MaxJitter))
		o.Uint("mean_jitter", uint64(s.MeanJitter))
		o.Uint("dev_jitter", uint64(s.DevJitter))
	}
	if s.TTL != 0 {
		o.Uint("min_ttl", uint64(s.MinTTL))
		o.Uint("max_ttl", uint64(s.MaxTTL))
		o.Uint("mean_ttl", uint64(s.MeanTTL))
		o.Uint("dev_ttl", uint64(s.DevTTL))
	}
}
