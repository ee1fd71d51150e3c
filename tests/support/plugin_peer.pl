#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-3.0-or-later
# What the monitoring plugins' own library makes of our output and ranges.
#   plugin_peer.pl perf LABEL... <OUTPUT     every figure is parsed, none is lost; the labels are among them
#   plugin_peer.pl range RANGE VALUE         prints 1 if it alerts, 0 if not, "invalid" if it is no range
use strict;
use warnings;
use Monitoring::Plugin::Performance;
use Monitoring::Plugin::Range;

my $what = shift;
if ($what eq 'range') {
	my ($text, $value) = @ARGV;
	my $range = Monitoring::Plugin::Range->parse_range_string($text);
	print defined $range ? ($range->check_range($value) ? 1 : 0) : 'invalid', "\n";
	exit 0;
}
my @lines = <STDIN>;
my ($text, $perf, @more) = split /\|/, join('', @lines);
die "more than one |\n" if @more;
die "no performance data\n" unless defined $perf;
$perf =~ s/\n.*//s;
my @parsed = Monitoring::Plugin::Performance->parse_perfstring($perf);
my $written = () = $perf =~ /=/g;
die "parsed " . scalar(@parsed) . " of $written\n" unless @parsed == $written;
my %short;
for my $p (@parsed) {
	die $p->label . " has no value\n" unless $p->value =~ /^[\d.]+$/;
	die $p->label . " is not known\n" unless $p->uom =~ /^(B|s|)$/;
	die $p->label . " twice in 19 characters\n" if $short{substr($p->clean_label, 0, 19)}++ and $p->label !~ /::/;
}
for my $label (@ARGV) {
	die "no $label\n" unless grep { $_->label eq $label } @parsed;
}
