use strict;
my @n=(165,166,248,249,250,272,298,321,323,425);
my $f=pack("SCCL",0x20,0,0,0);
for my $i (0..$#n){ $f.=pack("SCCL",0x15,$#n-$i+1,0,$n[$i]); }
$f.=pack("SCCL",0x06,0,0,0x7fff0000).pack("SCCL",0x06,0,0,0x00050001);
my $p=pack("S x6 P",length($f)/8,$f);
syscall(157,38,1,0,0,0)==0 or die "no_new_privs: $!";
syscall(157,22,2,$p)==0 or die "seccomp: $!";
exec {$ARGV[0]} @ARGV or do { print STDERR "exec: $ARGV[0]: $!\n"; exit 127 };
